#pragma once

#include "reference/oracle/measured/finding.h"

namespace ringattn {

// Right values times a constant: zeros, another sign, a factor that is lost or applied twice. The factor is that of all
// wrong rows, otherwise that of each head.
void find_factor(const RecordedTensor& tensor, const WrongPart& part, Explanations& explanations);

// The factor c that brings a row nearest to c x the truth. NaN: none does
struct RowFactor {
  double c = 0;
  double uncertainty = 0;  // of c, from the tolerances
};
RowFactor factor_of_row(const RecordedTensor& tensor, const ElementIndex& row,
                        const std::vector<Index>& channels);

// The factor that programs apply by mistake, for a head dimension D, that is nearest to a measured one; the measured
// one itself if none is nearer than _reach_
double usual_factor(double measured, double reach, Index D);

// A measured factor as it is said: 0, 1, 2, 3, 4, 1 / 2 or -1 if it is nearer than _reach_, otherwise two digits
double said_factor(double measured, double reach);
bool is_usual_factor(double factor);  // whether it is one of these numbers

}  // namespace ringattn
