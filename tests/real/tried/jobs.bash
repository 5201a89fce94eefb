# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Pipes, subshells, substitutions, traps, job control, a coprocess: what shells do with processes.
set -u
seq 1 3000 | sort -rn | head -n 3 | tr '\n' ' '
echo
(
    cd /
    pwd
    (exit 3) || echo "subshell: $?"
)
words=$(printf '%s\n' b a c | sort | paste -sd ,)
echo "substituted: $words $(seq -s + "$(printf %s 3)")"
while read -r a b; do echo "$b $a"; done < <(paste <(seq 3) <(seq 4 6))
cat <<END | wc -c
here $words
END
trap 'echo "trapped USR1"' USR1
kill -USR1 $$
pids=()
for i in 1 2 3 4; do
    (exit "$i") &
    pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || echo "job: $?"; done
set -m
sleep 30 &
kill -STOP %%
until [ "$(jobs -s | wc -l)" -eq 1 ]; do sleep 0.01; done
echo stopped
bg %% >/dev/null
kill %%
wait %% 2>/dev/null || echo "ended: $?"
set +m
coproc sort_it { sort -u; }
printf '%s\n' z y z >&"${sort_it[1]}"
descriptor=${sort_it[0]}
eval "exec ${sort_it[1]}>&-"
cat <&"$descriptor"
timeout 0.05 sleep 30 || echo "timeout: $?"
seq 100000 | head -n 1
echo "pipe: ${PIPESTATUS[*]}" | sed 's/141/SIGPIPE/'
printf '%s\n' 1 2 3 4 5 6 | xargs -P 3 -n 1 sh -c 'exit 0' && echo "xargs: $?"
exec 7>own.txt
echo "to a descriptor" >&7
exec 7>&-
cat own.txt
trap 'echo bye' EXIT
exit 5
