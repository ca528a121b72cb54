#pragma once

#include "reference/oracle/catalogue/altered_problem.h"

namespace ringattn {

// The place at which a right program has the result that a mistaken one returns at a place
using ResultSource = std::function<RowPlace(const RowPlace&)>;

// The results that a mistake moves
enum MovedResults : Index { moved_out, moved_out_and_lse };

// out and lse of _problem_ for the rows of the simulation, of which row p is the result of the row source(p)
AttentionOutput<double> with_moved_results(const AlteredProblem& problem, const Simulation& sim,
                                           const ResultSource& source, MovedResults moved);

// The gradients of a program that moves its results: the cotangents reach the rows that the results came from
Gradients<double> gradients_of_moved_results(const AlteredProblem& problem, const BackwardSimulation& sim,
                                             const ResultSource& source, MovedResults moved);

// A tensor of which row p is the row source(p)
Tensor<double> with_moved_rows(const Tensor<double>& tensor, const ResultSource& source);

}  // namespace ringattn
