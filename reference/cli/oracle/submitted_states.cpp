#include "reference/cli/oracle/submitted_states.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "reference/files/json.h"
#include "reference/files/safetensors.h"
#include "reference/definition/minus_infinity.h"

namespace ringattn::cli {

namespace {

constexpr const char* expected_names =
    "step{t}.device{r}.O with .m and .l, or .out with .lse, and perhaps .kv_owner";

// A number from _text_ after _word_, which is removed with it
std::optional<int> take_number(std::string_view& text, std::string_view word) {
  if (text.substr(0, word.size()) != word) return std::nullopt;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data() + word.size(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

using Parts = std::map<std::string, const StoredTensor*>;  // "O", "m", ...

// The tensors of the file, by step and device
std::map<std::pair<int, int>, Parts> parts_of(const SafetensorsFile& file, const Sharding& sharding) {
  std::map<std::pair<int, int>, Parts> parts;
  for (const auto& [name, tensor] : file.tensors) {
    std::string_view rest = name;
    const std::optional<int> step = take_number(rest, "step"), device = take_number(rest, ".device");
    require(step && device && rest.size() > 1 && rest.front() == '.', "[--steps] tensors must be called ",
            expected_names, "; found ", in_quotes(name), "; rename it");
    require(*step < sharding.devices() && *device < sharding.devices(), "[--steps] a ring of ", sharding.devices(),
            " devices has as many steps; found ", in_quotes(name), "; give the right --devices");
    parts[{*step, *device}][std::string(rest.substr(1))] = &tensor;
  }
  require(!parts.empty(), "[--steps] there must be tensors ", expected_names, "; found none");
  return parts;
}

// Reads the state of one step and device
class StateReader {
 public:
  StateReader(int step, int device, const Parts& parts, const Shape& out)
      : name_("step" + std::to_string(step) + ".device" + std::to_string(device)), parts_(parts), out_(out) {
    state_.step = step, state_.device = device;
  }

  RingState read() {
    const bool finished = parts_.count("out") > 0;
    state_.attended.out = rows_of_heads(finished ? "out" : "O");
    state_.attended.lse = numbers_of_rows(finished ? "lse" : "m");
    if (!finished) finish(numbers_of_rows("l"));
    if (const auto owner = parts_.find("kv_owner"); owner != parts_.end()) {
      const std::vector<std::int64_t> owners = to_integers(name_ + ".kv_owner", *owner->second);
      require(owners.size() == 1, "[--steps] ", name_, ".kv_owner must be one number; found ", owners.size());
      state_.kv_owner = static_cast<int>(owners.front());
    }
    return std::move(state_);
  }

 private:
  const StoredTensor& part(const std::string& part) const {
    const auto found = parts_.find(part);
    require(found != parts_.end(), "[--steps] a state is ", expected_names, "; found ", name_, " without .",
            part, "; add it");
    return *found->second;
  }

  Tensor<double> rows_of_heads(const std::string& part_name) {
    const StoredTensor& stored = part(part_name);
    state_.stored = stored.dtype;
    return of_shape(part_name, to_tensor<double>(name_ + "." + part_name, stored, Axes::bshd), out_);
  }

  Tensor<double> numbers_of_rows(const std::string& part_name) {
    const StoredTensor& stored = part(part_name);
    state_.lse_stored = stored.dtype;
    return of_shape(part_name, to_row_tensor<double>(name_ + "." + part_name, stored),
                    {out_.B, out_.S, out_.H, 1});
  }

  Tensor<double> of_shape(const std::string& part_name, Tensor<double> tensor, const Shape& wanted) const {
    require(tensor.shape() == wanted, "[--steps] ", name_, ".", part_name, " must have ", wanted.S,
            " rows, in the order (batch, sequence, heads, head_dim) ", wanted, "; found ", tensor.shape());
    return tensor;
  }

  // out = O / l and lse = m + log l; a row that has met no key is 0 and -inf
  void finish(const Tensor<double>& l) {
    for (Index b = 0; b < out_.B; ++b)
      for (Index h = 0; h < out_.H; ++h)
        for (Index i = 0; i < out_.S; ++i) {
          const double sum = l(b, i, h, 0);
          if (sum == 0) {
            state_.attended.lse(b, i, h, 0) = minus_infinity<double>;
          } else {
            state_.attended.out.head(b, h).row(i) /= sum;
            state_.attended.lse(b, i, h, 0) += std::log(sum);
          }
        }
  }

  std::string name_;
  const Parts& parts_;
  Shape out_;
  RingState state_;
};

}  // namespace

std::vector<RingState> read_states(const std::filesystem::path& path, const Problem<double>& problem,
                                   const Sharding& sharding) {
  const SafetensorsFile file = read_safetensors(path);
  std::vector<RingState> states;
  for (const auto& [place, parts] : parts_of(file, sharding)) {
    const auto& [step, device] = place;
    Shape out = problem.out_shape();
    out.S = static_cast<Index>(sharding.queries.rows_of(device).size());
    states.push_back(StateReader(step, device, parts, out).read());
  }
  return states;
}

}  // namespace ringattn::cli
