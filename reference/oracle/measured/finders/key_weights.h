#pragma once

#include "reference/definition/problem.h"
#include "reference/oracle/measured/device_names.h"
#include "reference/oracle/measured/finding.h"

namespace ringattn {

// The weights of keys in wrong rows of out. With s the right scores and f the factor by which a wrong row multiplies
// the weight of a key, hidden keys included, out_i = sum_j f_ij e^{s_ij} v_j / sum_j f_ij e^{s_ij}, hence
//   sum_j f_ij e^{s_ij} (v_j - out_i) = 0
// which is linear and homogeneous in f. Rows that share the factors of groups of keys give f: the eigenvector of the
// smallest eigenvalue of the normal equations. f is 1 for a visible key, 0 for a hidden one in right rows; a lost group
// has 0, one that is counted twice 2. Only ratios of f are known: the factor of most groups is taken as right.
//
// Nothing is reported if a second eigenvalue is as small, so that f is no single vector, or if the factors do not
// reproduce the rows.

// Groups of keys by the device of their block, for the rows of each device
void find_block_weights(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                        const Sharding& sharding, DeviceNaming naming, Explanations& explanations);

// Groups of keys by their distance from the query, single near 0 and near the edges of the window
void find_distance_weights(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                           Explanations& explanations);

// Groups of keys by index: single at both ends of the sequence, otherwise tiles of 16
void find_tile_weights(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                       Explanations& explanations);

// The same for the rows of each tile of 16 rows apart
void find_tile_pair_weights(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                            Explanations& explanations);

// Groups of keys by their place in a tile, first, last or between, and by the order of their tile and that of the
// query; for tiles of 16 to 128 positions
void find_edge_weights(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                       Explanations& explanations);

}  // namespace ringattn
