# SPDX-License-Identifier: MIT
"""Writes a program of functions that call each other at random, and allocate:

    generate.py c|c++ SEED FUNCTIONS >FILE

Its functions have frames of every kind that compilers make: of any size, variable, realigned,
with arguments on the stack, left by tail calls, longjmp and exceptions, and interrupted by
signals. The program takes the number of allocations to make, and prints a sum. Compiled with
-DPART=0 and -DPART=1 it is the two halves of the functions, so that these can be compiled in
different ways and linked together."""
import random
import sys

DEEPEST = 90  # calls on top of each other; with the largest frames about 4 MiB of stack

HEAD = """\
/* Made by generate.py. */
#include <alloca.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct large {
    long word[9];
};

extern long left;          /* allocations that are still to be made below this root */
extern jmp_buf *way_out;   /* where a longjmp goes; NULL: nowhere */
extern volatile long sink;
extern struct large pass;
long allocate(long x);     /* one block comes, one goes */
void use(void *p, long x); /* p[0..7] may be read and written */
"""

SHARED = """
enum { HELD = 61 };

long left;
jmp_buf *way_out;
volatile long sink;
struct large pass = {{1, 2, 3, 4, 5, 6, 7, 8, 9}};
static void *held[HELD];
static unsigned turn;

__attribute__((noinline)) long allocate(long x) {
    free(held[turn]);
    held[turn] = malloc((size_t)(x & 255) + 1);
    turn = (turn + 1) % HELD;
    left--;
    return x * 1103515245 + 12345;
}

__attribute__((noinline)) void use(void *p, long x) {
    volatile char *bytes = (volatile char *)p;
    bytes[x & 7] = (char)x;
    sink += bytes[x & 7];
}

static void on_signal(int signal) {
    allocate(signal);
    if (left > 0)
        ROOT(table[(unsigned long)left % TABLE](4, left)); /* no exception leaves a handler */
}
"""

MAIN = """
int main(int argc, char **argv) {
    long wanted = argc == 2 ? atol(argv[1]) : 0;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_NODEFER;
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTRAP, &action, NULL);
    static char other_stack[1 << 20];
    stack_t other;
    memset(&other, 0, sizeof other);
    other.ss_sp = other_stack;
    other.ss_size = sizeof other_stack;
    sigaltstack(&other, NULL);
    action.sa_flags |= SA_ONSTACK;
    sigaction(SIGUSR2, &action, NULL);
    unsigned long x = 1;
    while (wanted > 0) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        long now = (long)(x >> 40) % 200 + 3;
        left = now;
        way_out = NULL;
        ROOT(table[(x >> 33) % TABLE]((long)(x >> 50) % DEEPEST + 3, (long)(x >> 35)));
        wanted -= now - left;
    }
    for (int i = 0; i < HELD; i++)
        free(held[i]);
    printf("%ld\\n", (long)sink);
    return 0;
}
"""

CPP = """
struct guard { // a destructor that allocates: also runs while an exception passes
    long x;
    explicit guard(long n) : x(n) { allocate(n); }
    ~guard() { allocate(x); }
};
struct thrown {
    long x;
};
"""

# How a function is declared, and how it is called with the depth that is left and a number.
SIGNATURES = {
    "plain": ("long {name}(long d, long x)", "{name}({d}, {x})"),
    "many": ("long {name}(long d, long x, long a, double b, long c, long e, long g, long h, long i,"
             " double j)",
             "{name}({d}, {x}, x + 1, 1.5, x + 2, 3, allocate(x), d, 7, 2.5)"),
    "large": ("long {name}(long d, long x, struct large l)", "{name}({d}, {x}, pass)"),
    "variadic": ("long {name}(long d, long x, ...)", "{name}({d}, {x}, 3, x, d)"),
}


class Writer:
    def __init__(self, language, seed, count):
        self.random = random.Random(seed)
        self.cpp = language == "c++"
        kinds = ["plain"] * 4 + ["many", "large", "variadic"]
        # Every fourth is of the plain kind, for the table of indirect calls.
        self.kinds = ["plain" if i % 4 == 0 else self.random.choice(kinds) for i in range(count)]

    def often(self, percent):
        return self.random.randrange(100) < percent

    def call(self, argument="x"):
        """An expression that calls some function, a level deeper."""
        down = self.random.choice(["d - 1", "d - 1", "d - 2"])
        if self.often(20):
            return f"table[(unsigned long)({argument} ^ d) % TABLE]({down}, {argument})"
        to = self.random.randrange(len(self.kinds))
        return SIGNATURES[self.kinds[to]][1].format(name=f"f{to}", d=down, x=argument)

    def locals(self):
        """What makes the frame what it is."""
        lines = []
        if self.often(40):
            size = self.random.choice([8, 24, 120, 136, 1000, 4104, 20000])
            lines.append(f"char fixed[{size}];\n    use(fixed, x);")
        if self.often(15):
            align = self.random.choice([32, 64, 128])
            lines.append(f"__attribute__((aligned({align}))) char aligned[{align}];\n"
                         "    use(aligned, x);")
        if self.often(12):
            lines.append(f"char *some = (char *)alloca((size_t)(x & {self.random.choice([31, 511])})"
                         " + 8);\n    use(some, x);")
        if self.often(12) and not self.cpp:
            lines.append("char variable[(x & 127) + 8];\n    use(variable, x);")
        if self.often(10):
            lines.append("double q = (double)x;\n    sink += (long)(q * 0.5);")
        return lines

    def steps(self, own):
        """Statements that call and allocate."""
        lines = []
        for _ in range(self.random.randrange(1, 4)):
            chance = self.random.randrange(100)
            if chance < 30:
                lines.append("x = allocate(x);")
            elif chance < 60:
                lines.append(f"x += {self.call()};")
            elif chance < 66:
                lines.append(f"for (int i = 0; i < (int)(x & 3); i++)\n        x += {self.call('x + i')};")
            elif chance < 72:
                itself = SIGNATURES[self.kinds[own]][1].format(name=f"f{own}", d="d - 1", x="x - 1")
                lines.append(f"if (x & 4)\n        x ^= {itself};")
            elif chance < 78:
                lines.append(f"x += {self.call(self.call())};")
            elif chance < 84:
                lines.append(f"if (__builtin_expect((x & 63) == 5, 0)) {{\n        allocate(x);\n"
                             f"        x -= cold{self.random.randrange(4)}(d - 1, x);\n    }}")
            elif chance < 88:
                lines.append("if ((x & 31) == 3)\n        raise(SIGUSR1);")
            elif chance < 89:
                lines.append("if ((x & 31) == 5)\n        raise(SIGUSR2);")
            elif chance < 91:
                lines.append("if ((x & 31) == 9)\n        TRAP;")
            elif self.cpp:
                lines.append(self.exception())
            else:
                lines.append(self.jump())
        return lines

    def exception(self):
        chance = self.random.randrange(3)
        if chance == 0:
            return f"guard g{self.random.randrange(10 ** 6)}(x);\n    x += {self.call()};"
        if chance == 1:
            return ("if ((x & 15) == 2)\n        throw thrown{x};")
        again = "throw;" if self.often(30) else "x += allocate(t.x);"
        return (f"try {{\n        x += {self.call()};\n    }} catch (const thrown &t) {{\n"
                f"        {again}\n    }}")

    def jump(self):
        if self.often(50):
            return ("if (way_out != NULL && (x & 7) == 1)\n        longjmp(*way_out, 1);")
        return ("jmp_buf here, *before = way_out;\n    volatile long kept = x;\n"
                "    if (setjmp(here) == 0) {\n        way_out = &here;\n"
                f"        sink += {self.call()};\n    }} else {{\n        allocate(kept);\n    }}\n"
                "    way_out = before;\n    x = kept;")

    def function(self, own):
        kind = self.kinds[own]
        noinline = "__attribute__((noinline)) " if self.often(50) else ""
        lines = ["if (d <= 0 || left <= 0)\n        return allocate(x);"]
        if kind == "large":
            lines.append("struct large pass = l;\n    pass.word[x & 7] += d;")
        if kind == "many":
            lines.append("x += a + (long)b + c + e + g + h + i + (long)j;")
        if kind == "variadic":
            lines.append("va_list list;\n    va_start(list, x);\n    for (int i = va_arg(list, int); i > 1; i--)\n"
                         "        x += va_arg(list, long);\n    va_end(list);")
        lines += self.locals()
        steps = self.steps(own)
        # A jump's variables must not be passed by another jump's.
        seen = False
        for step in steps:
            if step.startswith("jmp_buf"):
                if seen:
                    continue
                seen = True
            lines.append(step)
        if self.often(35):
            lines.append(f"return {self.call('x + 1')};")  # a tail call, where there can be one
        else:
            lines.append(f"x += {self.call()};\n    return x + sink;")
        head = SIGNATURES[kind][0].format(name=f"f{own}")
        return noinline + head + " {\n    " + "\n    ".join(lines) + "\n}\n"

    def program(self):
        count = len(self.kinds)
        table = [f"f{i}" for i in range(0, count, 4)]
        out = [HEAD, f"#define DEEPEST {DEEPEST}\n#define TABLE {len(table)}ul"]
        out.append("#ifdef __x86_64__\n#define TRAP __asm__ volatile(\"int3\")\n#else\n"
                   "#define TRAP raise(SIGTRAP)\n#endif")
        if self.cpp:
            out.append("#define ROOT(call) try { sink += call; } catch (const thrown &t) "
                       "{ sink += t.x; }")
            out.append(CPP)
        else:
            out.append("#define ROOT(call) sink += call")
        out.append("extern long (*const table[])(long, long);")
        for i, kind in enumerate(self.kinds):
            out.append(SIGNATURES[kind][0].format(name=f"f{i}") + ";")
        for i in range(4):
            out.append(f"__attribute__((cold, noinline)) long cold{i}(long d, long x);")
        for part in (0, 1):
            out.append(f"\n#if PART == {part}")
            out += [self.function(i) for i in range(count) if i % 2 == part]
            if part == 1:
                for i in range(4):
                    out.append(f"long cold{i}(long d, long x) {{\n    if (d <= 0)\n        return x;\n"
                               f"    return {self.call()} + 1;\n}}")
                out.append("long (*const table[])(long, long) = {" + ", ".join(table) + "};")
                out.append(SHARED + MAIN)
            out.append("#endif")
        return "\n".join(out)


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("c", "c++"):
        sys.exit("usage: generate.py c|c++ SEED FUNCTIONS >FILE")
    print(Writer(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])).program())


main()
