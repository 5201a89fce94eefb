# SPDX-License-Identifier: MIT
# Counts in `heaptape dump --no-stacks` the blocks of `from` to `to` bytes and what became of them:
# prints "MALLOCS FREES"; with tids=1 a line "TID MALLOCS FREES" for each thread that called,
# with sizes=1 a line "SIZE MALLOCS FREES" for each size, ascending.

{
    address = substr($5, 9) # address=0x…
    if (index($5, "address=") != 1)
        next
}

$4 == "free" || $4 == "realloc_from" {
    if (address in block) {
        count(frees, block[address])
        delete block[address]
    }
    next
}

{
    size = substr($6, 6) + 0 # size=…
    if (address != "0x0" && size >= from && size <= to) {
        count(mallocs, size)
        block[address] = size
    }
}

function count(what, size) {
    what[tids ? $3 : sizes ? size : ""]++
    keys[tids ? $3 : sizes ? size : ""] = 1
}

END {
    if (!tids && !sizes)
        print mallocs[""] + 0, frees[""] + 0
    else
        for (key in keys)
            print key, mallocs[key] + 0, frees[key] + 0 | "sort -n"
}
