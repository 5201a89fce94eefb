/* SPDX-License-Identifier: MIT */
/*
 * What the recorder needs from the processor. One header a processor; the rest of preload/ is
 * free of assembly and of register names.
 */
#ifndef ARCH_H
#define ARCH_H

#if defined(__x86_64__)
#include "arch_x86_64.h"
#else
#error "heaptape records on x86-64; other processors need an arch_*.h of their own"
#endif

#endif
