#pragma once

#include "reference/definition/attention_vjp.h"
#include "reference/oracle/measured/device_names.h"
#include "reference/oracle/measured/finding.h"

namespace ringattn {

// Parts of gradients that are lost or counted twice. A row of dq is a sum over the K/V blocks of the ring, a row of dk
// or dv over the query heads of its group and over the devices of the queries. Least squares give the factor of each
// part, 1 in right rows, for the rows of each head and device.
void find_contributions(const Problem<double>& problem, const Cotangents<double>& cotangents,
                        const Sharding& sharding, DeviceNaming naming, const RecordedTensor& gradient,
                        const WrongPart& part, Explanations& explanations);

// Gradients that were exchanged or added: dk that holds dv, dk + dv, and the reverse
void find_exchange(const Gradients<double>& truth, const RecordedTensor& gradient, const WrongPart& part,
                   Explanations& explanations);

}  // namespace ringattn
