#include "reference/definition/pair_view.h"

#include "reference/definition/input/bad_input.h"

namespace ringattn {

std::array<Index, 4> broadcast_strides(const std::string& name, const std::vector<Index>& extents,
                                       const std::vector<Index>& strides,
                                       const std::array<Index, 4>& wanted) {
  std::string found = "(";
  for (const Index extent : extents) found += (found.size() > 1 ? ", " : "") + std::to_string(extent);
  require(extents.size() <= wanted.size(), "[", name,
          "] the shape must be that of pairs, (batch, heads, Sq, Skv); found ", found, ")",
          ", with more axes; drop an axis");
  std::array<Index, 4> result{};
  for (std::size_t n = 0; n < extents.size(); ++n) {
    const std::size_t axis = wanted.size() - extents.size() + n;
    require(extents[n] == wanted[axis] || extents[n] == 1, "[", name,
            "] the shape must fit (batch, heads, Sq, Skv) = (", wanted[0], ", ", wanted[1], ", ", wanted[2],
            ", ", wanted[3], ") from the right; found ", found, ")", "; only axes of extent 1 are repeated");
    result[axis] = extents[n] == 1 ? 0 : strides[n];
  }
  return result;
}

}  // namespace ringattn
