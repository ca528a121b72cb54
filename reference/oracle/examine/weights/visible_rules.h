#pragma once

#include "reference/oracle/examine/finding.h"
#include "reference/oracle/examine/head_readout.h"
#include "reference/ring/sharding.h"

namespace ringattn {

// The keys that the rows of a head read, where they are not the visible ones.
struct ReadKeys {
  const ExaminedAttention& attention;
  const Sharding& sharding;
  const HeadReadout& head;
  Matrix<bool> read;  // (Sq, Skv)

  const Matrix<bool>& wanted() const { return head.visible; }
};

// The first rule that reproduces the pattern exactly, as one or a few findings; otherwise counts of pairs
std::vector<Finding> visible_findings(const ReadKeys& keys);

}  // namespace ringattn
