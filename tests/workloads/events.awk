# SPDX-License-Identifier: MIT
# Turns `heaptape dump` into the lines that workloads print (expect.h):
#
#   OP ADDRESS [SIZE [ALIGNMENT]]
#
# Only events between the marks "begin" and "end" of their thread; all=1: every event. threads=1:
# events by thread, in the order of the threads' names, behind lines "thread NAME"; threads
# without events are left out.

function value(key,    i) {
    for (i = 5; i <= NF; i++)
        if (index($i, key "=") == 1)
            return substr($i, length(key) + 2)
    return ""
}

function text() {
    return substr($0, index($0, "\"") + 1, length($0) - index($0, "\"") - 1)
}

$1 == "stack" || $4 == "sample" || $4 ~ /^module_/ { next }
$4 == "thread" { name[$3] = text(); next }
$4 == "mark" { inside[$3] = text() == "begin"; next }
!all && !inside[$3] { next }
{
    line = $4 " " value("address")
    if (value("size") != "")
        line = line " " value("size")
    if (value("align") != "")
        line = line " " value("align")
    gsub(/"/, "", line) # align="invalid"
    if (threads)
        lines[$3] = lines[$3] line "\n"
    else
        print line
}

END {
    for (tid in lines)
        order[++n] = name[tid] SUBSEP tid
    for (i = 2; i <= n; i++)
        for (k = i; k > 1 && order[k - 1] > order[k]; k--) {
            swap = order[k]
            order[k] = order[k - 1]
            order[k - 1] = swap
        }
    for (i = 1; i <= n; i++) {
        split(order[i], part, SUBSEP)
        printf "thread %s\n%s", part[1], lines[part[2]]
    }
}
