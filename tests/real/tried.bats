#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Programs of many processes behave the same, and every image that they start leaves a complete
# tape.

load ../helpers
load recorded

# The programs that left a tape, sorted, one a line.
images() {
    local tape
    for tape in tapes/x*; do
        case $tape in
        *.tail) ;;
        *) "$heaptape" info --json "$tape" | sed -n 's/\\//g; s/^  "exe": ".*\/\(.*\)",$/\1/p' ;;
        esac
    done | sort
}

# expect_images NUMBER NAME: at least so many tapes of this program.
expect_images() {
    local found
    found=$(images | grep -cE "^(x86_64-linux-gnu-)?$2(-[0-9]+)?(\.bfd)?$") || true
    [ "$found" -ge "$1" ] && return
    echo "$found tapes of $2, expected $1; there are:"
    images | uniq -c
    return 1
}

@test "g++: the driver, the compiler, the assembler, collect2 and the linker" {
    cat >program.cc <<'CC'
#include <algorithm>
#include <map>
#include <string>
#include <vector>
int main() {
    std::map<std::string, std::vector<int>> m;
    for (int i = 0; i < 1000; i++) m[std::to_string(i % 17)].push_back(i);
    return int(std::max_element(m.begin(), m.end())->second.size());
}
CC
    run_bare g++ -O1 -Wall program.cc -o program
    sha256sum program >bare.sum
    run_recorded g++ -O1 -Wall program.cc -o program
    expect_status 0
    expect_same bare.err err
    sha256sum program | diff bare.sum -
    expect_complete
    for name in 'g\+\+' cc1plus as collect2 ld; do expect_images 1 "$name"; done
    [ "$(images | wc -l)" -eq 5 ]
    # The compiler's own tape, not the driver's, has its millions.
    for tape in tapes/x*; do "$heaptape" info --json "$tape" >info; json info completeness.events; done | sort -n | tail -n 1 >most
    [ "$(cat most)" -ge 500000 ]
    echo 'int main() { return nothing; }' >program.cc
    same_recorded g++ program.cc -o program
    expect_status 1
    expect_complete
}

@test "make -j2 of a small project" {
    mkdir project
    for i in 1 2 3 4 5 6; do
        printf '#include <stdio.h>\n#include "all.h"\nint f%d(int n) { return printf("%%d\\n", n + %d); }\n' $i $i >project/f$i.c
        echo "int f$i(int);" >>project/all.h
    done
    printf '#include "all.h"\nint main(void) { return f1(1) + f6(2) - 4; }\n' >project/main.c
    cat >project/Makefile <<'MAKE'
objects := $(patsubst %.c,%.o,$(wildcard *.c))
program: main.o libf.a
	$(CC) -o $@ $^
	./$@ >output
libf.a: $(filter-out main.o,$(objects))
	ar rcs $@ $(sort $^)
%.o: %.c all.h
	@echo CC $<
	@$(CC) -O2 -c -o $@ $<
.DELETE_ON_ERROR:
MAKE
    cp -r project bare
    run_bare make -C bare -j2
    run_recorded make -C project -j2
    expect_status 0
    diff -r bare project
    expect_same <(sed 's/bare/project/g' bare.out | sort) <(sort out)
    expect_same bare.err err
    expect_complete
    expect_images 1 make
    expect_images 8 gcc
    expect_images 7 cc1
    expect_images 7 as
    expect_images 1 ar
    expect_images 1 ld
    expect_images 1 program
}

@test "git gc" {
    git init -q -b main repo
    for i in 1 2 3 4 5 6 7 8; do
        seq "$i" 3000 >"repo/file$i"
        git -C repo add .
        git -C repo -c user.name=a -c user.email=a@example.org commit -q -m "commit $i"
    done
    cp -r repo bare
    run_bare git -C bare gc --prune=now
    run_recorded git -C repo gc --prune=now
    expect_status "$bare"
    expect_same bare.out out
    expect_same bare.err err
    git -C repo fsck --full --strict
    for what in 'rev-list --objects --all' 'log --stat' count-objects; do
        # shellcheck disable=SC2086 # a command
        expect_same <(git -C bare $what | sort) <(git -C repo $what | sort)
    done
    [ "$(find repo/.git/objects/pack -name '*.pack' | wc -l)" -eq 1 ]
    expect_complete
    expect_images 4 git
}

@test "a bash script: pipes, subshells, substitutions, traps, job control" {
    same_recorded bash "$top/tests/real/tried/jobs.bash"
    [ "$status" -eq 5 ]
    [ "$(wc -l <out)" -ge 20 ]
    expect_complete
    expect_images 20 bash
}

@test "perl: children by fork and open" {
    PERL_HASH_SEED=1 same_recorded perl "$top/tests/real/tried/family.pl"
    [ "$status" -eq 9 ]
    expect_complete
    expect_images 17 perl
}

@test "node: worker threads" {
    needs node
    same_recorded node "$top/tests/real/tried/workers.js"
    [ "$status" -eq 8 ]
    expect_complete
    expect_images 1 node
}

@test "java" {
    needs java
    # (the JVM tells of LD_PRELOAD nowhere; what it prints is its own)
    same_recorded java -Xshare:auto -Xmx64m -XX:+UseSerialGC -version
    expect_status 0
    same_recorded java -Xmx64m --list-modules
    [ "$(wc -l <out)" -ge 5 ]
    expect_complete
}

# A redis-server on a port of its own, driven and stopped; its answers go to ./answers.
drive_redis() {
    local port=$1 server
    shift
    mkdir -p data
    "$@" redis-server --port "$port" --bind 127.0.0.1 --dir data --save '' --daemonize no >redis.log 2>&1 &
    server=$!
    until redis-cli -p "$port" ping >/dev/null 2>&1; do
        kill -0 $server || { cat redis.log; return 1; }
        sleep 0.05
    done
    {
        redis-benchmark -p "$port" -n 20000 -r 1000 -q -t set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100 \
            --seed 7 >benchmark 2>&1 || echo "benchmark: $?"
        for command in flushall 'set a b' 'append a c' 'get a' 'lpush l 1 2 3' 'lrange l 0 -1' 'strlen a'; do
            # shellcheck disable=SC2086 # words
            redis-cli -p "$port" $command
        done
        redis-cli -p "$port" save
        redis-cli -p "$port" bgsave
        until redis-cli -p "$port" info persistence | grep -q 'rdb_bgsave_in_progress:0'; do sleep 0.05; done
        redis-cli -p "$port" info persistence | grep rdb_last_bgsave_status
    } >answers
    redis-cli -p "$port" shutdown nosave || kill $server
    status=0
    wait $server || status=$?
}

@test "redis-server under redis-benchmark" {
    needs redis-server redis-benchmark redis-cli
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    drive_redis "$port" env
    mv answers bare.answers
    bare=$status
    mkdir tapes
    : >said
    drive_redis "$port" env HEAPTAPE_OUT="$PWD/tapes/x" LD_PRELOAD="$library"
    expect_status "$bare"
    expect_same bare.answers answers
    [ "$(wc -l <answers)" -ge 12 ]
    run ! grep '^heaptape: ' redis.log
    expect_complete
    [ "$(find tapes -name 'x*' ! -name '*.tail' | wc -l)" -eq 2 ] # the server, and the child that saves
    # Debian's redis has jemalloc inside: only what libc and its own libraries ask for is recorded.
    "$heaptape" info --json tapes/x >info
    [ "$(json info completeness.events)" -ge 100 ]
}

@test "a whole shell session" {
    export PYTHONHASHSEED=1 PERL_HASH_SEED=1
    cat >session.bash <<'SH'
rm -rf work && mkdir work && cd work
seq 1 5000 >numbers
sort -rn numbers | uniq | head -n 2
awk '{ n[$1 % 7] += $1 } END { for (i = 0; i < 7; i++) print n[i] }' numbers
sed -n 's/^99*$/nines &/p' numbers | grep -c nines
grep -E '^(1|2)+$' numbers | wc -l
find . -type f -exec stat -c '%n %s' {} +
tar --mtime=@0 --owner=0 --group=0 --sort=name -cf all.tar numbers && tar -tf all.tar
gzip -n -k numbers && zcat numbers.gz | cmp - numbers
sha256sum numbers all.tar
perl -ne '$s += $_; END { print "$s\n" }' numbers
python3 -c 'import json; print(json.dumps({str(i): [i] * 3 for i in range(5)}))'
python3 -c 'import nothing' 2>&1 | tail -n 1
diff <(head -n 5 numbers) <(head -n 6 numbers)
echo "SELECT 6 * 7;" | sqlite3 :memory:
printf 'int main(void) { return 11; }\n' >p.c && gcc -o p p.c; ./p; echo "p: $?"
git init -q -b main . && git add numbers && git -c user.name=a -c user.email=a@b commit -q -m one && git log --format=%s
make -f - <<<$'all:\n\t@echo made' all
xargs -n 2 echo <<<"a b c d"
{ (ulimit -c 0; sh -c 'kill -SEGV $$'); echo "killed: $?"; } 2>/dev/null
{ sh -c 'kill -9 $$'; echo "killed: $?"; } 2>/dev/null
env -i PATH="$PATH" sh -c 'echo clean'
nice -n 1 sh -c 'exec sh -c "exec echo three images"'
timeout 5 dd if=numbers of=copy bs=100 status=none && cmp numbers copy
od -An -tx1 -N 8 numbers | tr -d ' '
expr 3 + 4; test -e nowhere; echo $?
ls -1; cd ..; rm -r work
SH
    same_recorded bash session.bash
    [ "$(wc -l <out)" -ge 35 ]
    expect_complete
    [ "$(find tapes -name 'x*' ! -name '*.tail' | wc -l)" -ge 70 ]
}
