/* SPDX-License-Identifier: MIT */
/*
 * Where CPython 3.11 keeps what is read, in bytes, for machines with pointers of 8 bytes. From
 * Include/internal/pycore_runtime.h, pycore_frame.h, pycore_pystate.h, cpython/pystate.h,
 * cpython/code.h and cpython/unicodeobject.h; the same in all of 3.11.0 to 3.11.x, and compared
 * with the headers that are installed by tests/real/python.bats.
 */
#ifndef PYTHON_LAYOUT_H
#define PYTHON_LAYOUT_H

#define PYTHON_FIRST_VERSION 0x030b0100u /* 3.11.1: see the decision page */
#define PYTHON_VERSIONS_END  0x030c0000u

enum python_layout {
    PY_RUNTIME_FINALIZING = 24,  /* _PyRuntimeState: the thread state that ends it */
    PY_RUNTIME_MAIN_THREAD = 80, /* its pthread_self() */
    PY_RUNTIME_CURRENT = 576,    /* the thread state that holds the GIL */
    PY_RUNTIME_KEY_READY = 592,  /* int */
    PY_RUNTIME_KEY = 596,        /* pthread_key_t of the threads' own state */
    PY_THREAD_CFRAME = 56,       /* PyThreadState */
    PY_CFRAME_FRAME = 8,         /* _PyCFrame: the innermost frame of the loop */
    PY_CFRAME_PREVIOUS = 16,     /* the next loop outwards */
    PY_CFRAME_BYTES = 24,
    PY_FRAME_CODE = 32, /* _PyInterpreterFrame */
    PY_FRAME_PREVIOUS = 48,
    PY_FRAME_INSTRUCTION = 56, /* the last one begun */
    PY_FRAME_OWNER = 69,       /* char */
    PY_FRAME_OWNED_BY_GENERATOR = 1,
    PY_FRAME_BYTES = 72,
    PY_OBJECT_SIZE = 16, /* PyVarObject */
    PY_CODE_LINE = 72,   /* PyCodeObject: int */
    PY_CODE_FILE = 112,
    PY_CODE_NAME = 128,         /* the qualified one */
    PY_CODE_LINES = 136,        /* bytes */
    PY_CODE_FIRST_TRACED = 168, /* int */
    PY_CODE_INSTRUCTIONS = 184,
    PY_BYTES_DATA = 32,   /* PyBytesObject */
    PY_TEXT_LENGTH = 16,  /* PyASCIIObject */
    PY_TEXT_STATE = 32,   /* unsigned: 2 bits, then kind (3), compact, ascii, ready */
    PY_TEXT_INTERNED = 3, /* the two bits, which may change */
    PY_TEXT_ASCII_DATA = 48,
    PY_TEXT_DATA = 72, /* PyCompactUnicodeObject */
};

#endif
