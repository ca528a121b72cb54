#include "reference/python/problem_arrays.h"

// ringattn._engine: the engine as the package reference/python/ringattn calls it. What users type, with its
// defaults and aliases, is said there; here arrays become tensors and back.
NB_MODULE(_engine, m) {
  namespace python = ringattn::python;
  m.doc() = "The engine of ringattn, in C++.";
  m.attr("__version__") = RINGATTN_VERSION;
  python::bind_case(m);
  python::bind_attention(m);
  python::bind_ring(m);
  python::bind_check(m);
  python::bind_catalogue(m);
}
