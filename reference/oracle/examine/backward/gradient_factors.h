#pragma once

#include "reference/oracle/examine/backward/gradient_readout.h"

namespace ringattn {

// What P and dS of a backward pass have in common: which factors and which places explain what was found.

// |found - wanted| <= allowed, element by element
bool within(const Matrix<double>& found, const Matrix<double>& wanted, const Matrix<double>& allowed);

// A factor, blocks of the ring with a factor each, or blocks that hold what belongs to others; empty: none of these
std::vector<Finding> common_findings(const ExaminationState& state, const Matrix<double>& found,
                                     const Matrix<double>& right, const Matrix<double>& allowed,
                                     double tolerance);

// The gradient of a K/V head holds what belongs to another query head, alone or besides the right one. Heads at the
// same place of their groups are measured together
std::optional<Finding> sum_of_heads(const ExaminationState& state, const GradientReadout& readout,
                                    const HeadGradients& head, const Matrix<double>& found,
                                    Matrix<double> HeadGradients::*right,
                                    Matrix<double> HeadGradients::*allowed);

// The keys that the backward pass reads, where these are not those of the forward
std::vector<Finding> mask_findings(const ExaminationState& state, const HeadGradients& head,
                                   const Matrix<bool>& read);

Finding unexplained_gradient(const Matrix<double>& found, const Matrix<double>& right,
                             const Matrix<double>& allowed);

}  // namespace ringattn
