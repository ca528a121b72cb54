#include "reference/oracle/catalogue/catalogue.h"

#include <algorithm>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/oracle/catalogue/altered_problem.h"

namespace ringattn {

const std::vector<Mistake>& catalogue() {
  static const std::vector<Mistake> all = [] {
    std::vector<Mistake> mistakes;
    for (const auto& family : {conventions,
                               scale_mistakes,
                               softcap_mistakes,
                               fitted_scale_mistake,
                               mask_mistakes,
                               score_mask_mistakes,
                               block_mask_mistakes,
                               edge_mask_mistakes,
                               online_softmax_mistakes,
                               merge_mistakes,
                               merge_lse_mistakes,
                               ring_mistakes,
                               ring_buffer_mistakes,
                               layout_mistakes,
                               layout_mask_mistakes,
                               head_mistakes,
                               head_axis_mistakes,
                               operand_mistakes,
                               rope_mistakes,
                               backward_mistakes,
                               mask_backward_mistakes,
                               ring_backward_mistakes,
                               block_backward_mistakes,
                               head_backward_mistakes,
                               operand_backward_mistakes,
                               all_gather_mistakes,
                               all_to_all_mistakes,
                               exchanged_head_mistakes,
                               usp_mistakes,
                               several_ring_mistakes,
                               tree_mistakes})
      for (Mistake& mistake : family()) mistakes.push_back(std::move(mistake));
    for (Mistake& mistake : mistakes)
      if (mistake.alteration) derive_forward_and_backward(mistake);
    return mistakes;
  }();
  return all;
}

const Mistake& mistake_of_id(std::string_view id) {
  const auto found = std::find_if(catalogue().begin(), catalogue().end(),
                                  [id](const Mistake& mistake) { return mistake.id == id; });
  require(found != catalogue().end(), "[mistakes] the id of a mistake is one of the catalogue; found ",
          in_quotes(id), "; choose one that ringattn mistakes lists");
  return *found;
}

const char* name(Family family) {
  switch (family) {
    case Family::convention:
      return "convention";
    case Family::scale:
      return "scale";
    case Family::mask:
      return "mask";
    case Family::online_softmax:
      return "online softmax";
    case Family::merge:
      return "merge";
    case Family::ring:
      return "ring";
    case Family::layout:
      return "layout";
    case Family::heads:
      return "heads";
    case Family::operands:
      return "operands";
    case Family::backward:
      return "backward";
    case Family::strategies:
      return "other strategies";
  }
  return "";
}

}  // namespace ringattn
