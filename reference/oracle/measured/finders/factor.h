#pragma once

#include "reference/oracle/measured/finding.h"

namespace ringattn {

// Right values times a constant: zeros, another sign, a factor that is lost or applied twice. The factor is that of all
// wrong rows, otherwise that of each head.
void find_factor(const RecordedTensor& tensor, const WrongPart& part, Explanations& explanations);

// A row of fewer channels is proportional to anything
inline constexpr std::size_t least_channels = 3;

// The largest uncertainty of a measured factor that is reported
inline constexpr double largest_uncertainty = 0.1;

// The factor c that brings a row nearest to c x the truth. NaN: none does
struct RowFactor {
  double c = 0;
  double uncertainty = 0;  // of c, from the tolerances
};
RowFactor factor_of_row(const RecordedTensor& tensor, const ElementIndex& row,
                        const std::vector<Index>& channels);

// The factor that programs apply by mistake, for a head dimension D, that is nearest to a measured one; the measured
// one itself if none is nearer than _tolerance_
double usual_factor(double measured, double tolerance, Index D);

// A measured factor as it is reported: 0, 1, 2, 3, 4, 1 / 2 or -1 if it is nearer than _tolerance_, otherwise two
// digits
double rounded_factor(double measured, double tolerance);
bool is_usual_factor(double factor);  // whether it is one of these numbers

}  // namespace ringattn
