/* The C kernels are called through ctypes (cisweep.kernels), which releases the GIL.
 * This file only makes the shared library an importable extension, so that pip builds
 * and places it like any other. */
#include <Python.h>

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ckernels", NULL, -1, NULL,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__ckernels(void) { return PyModule_Create(&module); }
