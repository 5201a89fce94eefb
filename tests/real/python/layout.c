// SPDX-License-Identifier: MIT
/* What preload/python_layout.h says beside the headers of the Python that is installed. */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <internal/pycore_frame.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#include <stddef.h>

#include "python_layout.h"

#define SAME(name, type, member) _Static_assert(name == offsetof(type, member), #name)
SAME(PY_RUNTIME_FINALIZING, _PyRuntimeState, _finalizing);
SAME(PY_RUNTIME_MAIN_THREAD, _PyRuntimeState, main_thread);
SAME(PY_RUNTIME_CURRENT, _PyRuntimeState, gilstate.tstate_current);
SAME(PY_RUNTIME_KEY_READY, _PyRuntimeState, gilstate.autoTSSkey._is_initialized);
SAME(PY_RUNTIME_KEY, _PyRuntimeState, gilstate.autoTSSkey._key);
SAME(PY_THREAD_CFRAME, PyThreadState, cframe);
SAME(PY_CFRAME_FRAME, _PyCFrame, current_frame);
SAME(PY_CFRAME_PREVIOUS, _PyCFrame, previous);
SAME(PY_FRAME_CODE, _PyInterpreterFrame, f_code);
SAME(PY_FRAME_PREVIOUS, _PyInterpreterFrame, previous);
SAME(PY_FRAME_INSTRUCTION, _PyInterpreterFrame, prev_instr);
SAME(PY_FRAME_OWNER, _PyInterpreterFrame, owner);
SAME(PY_OBJECT_SIZE, PyVarObject, ob_size);
SAME(PY_CODE_LINE, PyCodeObject, co_firstlineno);
SAME(PY_CODE_FILE, PyCodeObject, co_filename);
SAME(PY_CODE_NAME, PyCodeObject, co_qualname);
SAME(PY_CODE_LINES, PyCodeObject, co_linetable);
SAME(PY_CODE_FIRST_TRACED, PyCodeObject, _co_firsttraceable);
SAME(PY_CODE_INSTRUCTIONS, PyCodeObject, co_code_adaptive);
SAME(PY_BYTES_DATA, PyBytesObject, ob_sval);
SAME(PY_TEXT_LENGTH, PyASCIIObject, length);
SAME(PY_TEXT_STATE, PyASCIIObject, state);
_Static_assert(PY_TEXT_ASCII_DATA == sizeof(PyASCIIObject), "ascii");
_Static_assert(PY_TEXT_DATA == sizeof(PyCompactUnicodeObject), "compact");
_Static_assert(PY_FRAME_OWNED_BY_GENERATOR == FRAME_OWNED_BY_GENERATOR, "owner");
_Static_assert(PY_CFRAME_BYTES == sizeof(_PyCFrame), "cframe");
_Static_assert(PY_FRAME_BYTES == offsetof(_PyInterpreterFrame, localsplus), "frame");
_Static_assert(PY_VERSION_HEX >= PYTHON_FIRST_VERSION && PY_VERSION_HEX < PYTHON_VERSIONS_END,
               "version");

/* Bit fields have no offset. */
int main(void) {
    PyASCIIObject text = {0};
    unsigned state;
    text.state.kind = 4;
    text.state.compact = 1;
    memcpy(&state, &text.state, sizeof state);
    if ((state >> 2 & 7) != 4 || (state >> 5 & 1) != 1 || (state >> 6 & 1) != 0)
        return 1;
    text.state.ascii = 1;
    memcpy(&state, &text.state, sizeof state);
    return (state >> 6 & 1) == 1 ? 0 : 2;
}
