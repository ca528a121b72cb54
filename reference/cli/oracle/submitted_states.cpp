// Reads the states (m, l, O) after each step, which `ringattn check --steps` judges.

#include "reference/cli/oracle/submitted_case.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "reference/definition/input/in_quotes.h"
#include "reference/definition/minus_infinity.h"
#include "reference/files/tensors/safetensors.h"

namespace ringattn::cli {

namespace {

constexpr const char* expected_names =
    "step{t}.device{r}.O with .m and .l, or .out with .lse, and optionally .kv_owner";

// Removes _word_ and the number after it from the front of _text_; returns the number
std::optional<int> take_number(std::string_view& text, std::string_view word) {
  if (text.substr(0, word.size()) != word) return std::nullopt;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data() + word.size(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

using Parts = std::map<std::string, const StoredTensor*>;  // "O", "m", ...

// The tensors of the file by (step, device)
std::map<std::pair<int, int>, Parts> parts_of(const SafetensorsFile& file, const Sharding& sharding) {
  std::map<std::pair<int, int>, Parts> parts;
  for (const auto& [name, tensor] : file.tensors) {
    std::string_view rest = name;
    const std::optional<int> step = take_number(rest, "step"), device = take_number(rest, ".device");
    require(step && device && rest.size() > 1 && rest.front() == '.', "[--steps] a tensor must be named ",
            expected_names, "; found ", in_quotes(name), "; rename it");
    require(*step < sharding.devices() && *device < sharding.devices(), "[--steps] a ring of ",
            sharding.devices(), " devices has as many steps; found ", in_quotes(name), "; correct --devices");
    parts[{*step, *device}][std::string(rest.substr(1))] = &tensor;
  }
  require(!parts.empty(), "[--steps] the file must hold tensors ", expected_names,
          "; found none; write it with ringattn run --steps");
  return parts;
}

// Reads the state of one device after one step
class StateReader {
 public:
  StateReader(int step, int device, const Parts& parts, const Shape& out)
      : name_("step" + std::to_string(step) + ".device" + std::to_string(device)), parts_(parts), out_(out) {
    state_.step = step, state_.device = device;
  }

  RingState read() {
    const bool finished = parts_.count("out") > 0;
    state_.attended.out = matrix_rows(finished ? "out" : "O");
    state_.attended.lse = row_values(finished ? "lse" : "m");
    if (!finished) finish(row_values("l"));
    if (const auto owner = parts_.find("kv_owner"); owner != parts_.end()) {
      const std::vector<std::int64_t> owners = to_integers(name_ + ".kv_owner", *owner->second);
      require(owners.size() == 1, "[--steps] ", name_, ".kv_owner must be one number; found ", owners.size(),
              " numbers; store one");
      state_.kv_owner = static_cast<int>(owners.front());
    }
    return std::move(state_);
  }

 private:
  const StoredTensor& part(const std::string& part_name) const {
    const auto found = parts_.find(part_name);
    require(found != parts_.end(), "[--steps] a state consists of ", expected_names, "; found ", name_,
            " without .", part_name, "; add it");
    return *found->second;
  }

  Tensor<double> matrix_rows(const std::string& part_name) {
    const StoredTensor& stored = part(part_name);
    state_.stored = stored.dtype;
    return check_shape(part_name, to_tensor<double>(name_ + "." + part_name, stored, Axes::bshd), out_);
  }

  Tensor<double> row_values(const std::string& part_name) {
    const StoredTensor& stored = part(part_name);
    state_.lse_stored = stored.dtype;
    return check_shape(part_name, to_row_tensor<double>(name_ + "." + part_name, stored),
                       {out_.B, out_.S, out_.H, 1});
  }

  Tensor<double> check_shape(const std::string& part_name, Tensor<double> tensor, const Shape& wanted) const {
    require(tensor.shape() == wanted, "[--steps] ", name_, ".", part_name,
            " must have the shape (batch, sequence, heads, head_dim) = ", wanted,
            ", with the rows of that device; found ", tensor.shape(), "; correct the shape or --layout");
    return tensor;
  }

  // out = O / l and lse = m + log l; a row that has attended to no key has out = 0 and lse = -inf
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
