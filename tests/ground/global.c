/* SPDX-License-Identifier: MIT */
/* Pointers in the program's data: initialised, zeroed, local to a function, in an array. */
#include "ground.h"

static int something;
static void *volatile in_data = &something;
static void *volatile in_bss;
static void *volatile in_array[1000];

ALLOCATES(for_data)
ALLOCATES(for_bss)
ALLOCATES(for_static_local)
ALLOCATES(for_array)

static APART void hold(void) {
    static void *volatile local __attribute__((used));
    in_data = for_data(100);
    in_bss = for_bss(200);
    local = for_static_local(300);
    for (int i = 0; i < 1000; i++)
        in_array[i] = for_array(40);
}

int main(void) {
    expect("reachable", 100, 1, "for_data");
    expect("reachable", 200, 1, "for_bss");
    expect("reachable", 300, 1, "for_static_local");
    expect("reachable", 40000, 1000, "for_array");
    hold();
    wipe();
    return 0;
}
