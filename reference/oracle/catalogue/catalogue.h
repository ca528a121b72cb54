#pragma once

#include <string_view>

#include "reference/oracle/catalogue/mistake.h"

namespace ringattn {

// Every mistake we know, by family. The one table: the matcher, the reports, `ringattn mistakes`, the golden
// vectors and the documentation read it.
const std::vector<Mistake>& catalogue();

// The entry of that id; throws BadInput where there is none
const Mistake& mistake_of_id(std::string_view id);

// The families, one file each in mistakes/
std::vector<Mistake> conventions();
std::vector<Mistake> scale_mistakes();
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

}  // namespace ringattn
