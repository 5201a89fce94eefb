/* SPDX-License-Identifier: MIT */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "parcel.h"

/* label(text, free): through a parcel, which is freed or is not. */
static PyObject *label(PyObject *self, PyObject *args) {
    const char *text;
    int freed;
    (void)self;
    if (!PyArg_ParseTuple(args, "sp", &text, &freed))
        return NULL;
    struct parcel *p = parcel_new(text);
    PyObject *result = PyUnicode_FromString(parcel_label(p));
    if (freed)
        parcel_free(p);
    return result;
}

static PyMethodDef methods[] = {{"label", label, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "parcel", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_parcel(void);
PyMODINIT_FUNC PyInit_parcel(void) {
    return PyModule_Create(&module);
}
