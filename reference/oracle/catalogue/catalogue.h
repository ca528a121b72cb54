#pragma once

#include <string_view>

#include "reference/oracle/catalogue/mistake.h"

namespace ringattn {

// All known mistakes, ordered by family. Diagnosis, reports, `ringattn mistakes`, the golden vectors and the
// documentation read this one table.
const std::vector<Mistake>& catalogue();

// The entry of that id; throws BadInput if there is none
const Mistake& mistake_of_id(std::string_view id);

// The parts of the table, one file each in mistakes/; S0, whose scale is fitted, is in diagnosis/
std::vector<Mistake> conventions();
std::vector<Mistake> scale_mistakes();
std::vector<Mistake> softcap_mistakes();
std::vector<Mistake> fitted_scale_mistake();
std::vector<Mistake> mask_mistakes();
std::vector<Mistake> score_mask_mistakes();
std::vector<Mistake> block_mask_mistakes();
std::vector<Mistake> edge_mask_mistakes();
std::vector<Mistake> online_softmax_mistakes();
std::vector<Mistake> merge_mistakes();
std::vector<Mistake> merge_lse_mistakes();
std::vector<Mistake> ring_mistakes();
std::vector<Mistake> ring_buffer_mistakes();
std::vector<Mistake> layout_mistakes();
std::vector<Mistake> layout_mask_mistakes();
std::vector<Mistake> head_mistakes();
std::vector<Mistake> head_axis_mistakes();
std::vector<Mistake> operand_mistakes();
std::vector<Mistake> rope_mistakes();
std::vector<Mistake> backward_mistakes();
std::vector<Mistake> mask_backward_mistakes();
std::vector<Mistake> ring_backward_mistakes();
std::vector<Mistake> block_backward_mistakes();
std::vector<Mistake> head_backward_mistakes();
std::vector<Mistake> operand_backward_mistakes();
std::vector<Mistake> all_gather_mistakes();
std::vector<Mistake> all_to_all_mistakes();
std::vector<Mistake> exchanged_head_mistakes();
std::vector<Mistake> usp_mistakes();
std::vector<Mistake> several_ring_mistakes();
std::vector<Mistake> tree_mistakes();

}  // namespace ringattn
