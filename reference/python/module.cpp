#include "reference/python/problem_arrays.h"

// ringattn._engine: the C++ engine, as the package in reference/python/ringattn calls it. The package defines the
// public functions with their defaults and aliases; this module converts arrays to tensors and back.
NB_MODULE(_engine, m) {
  namespace python = ringattn::python;
  m.doc() = "The C++ engine of the package ringattn.";
  m.attr("__version__") = RINGATTN_VERSION;
  python::bind_case(m);
  python::bind_attention(m);
  python::bind_ring(m);
  python::bind_check(m);
  python::bind_catalogue(m);
  python::bind_make_mistake(m);
  python::bind_sharding(m);
}
