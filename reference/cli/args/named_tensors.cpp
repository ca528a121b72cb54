#include "reference/cli/args/named_tensors.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "reference/definition/input/in_quotes.h"

namespace ringattn::cli {

namespace {

const std::set<std::string>& names_here() {
  static const std::set<std::string> names{"q",
                                           "k",
                                           "v",
                                           "dout",
                                           "dlse",
                                           "q_positions",
                                           "kv_positions",
                                           "q_segment_ids",
                                           "kv_segment_ids",
                                           "dq",
                                           "dk",
                                           "dv",
                                           "cu_seqlens_q",
                                           "cu_seqlens_k",
                                           "sinks",
                                           "dsinks",
                                           "alibi_slopes",
                                           "bias",
                                           "mask",
                                           "keep",
                                           "seqused_q",
                                           "seqused_k",
                                           "descale_q",
                                           "descale_k",
                                           "descale_v",
                                           "out",
                                           "lse"};
  return names;
}

// In lower case: of FlashAttention, torch, cuDNN, jax and their users
const std::map<std::string, std::string>& names_elsewhere() {
  static const std::map<std::string, std::string> names{{"query", "q"},
                                                        {"query_states", "q"},
                                                        {"key", "k"},
                                                        {"key_states", "k"},
                                                        {"value", "v"},
                                                        {"value_states", "v"},
                                                        {"attn_output", "out"},
                                                        {"attn_out", "out"},
                                                        {"output", "out"},
                                                        {"o", "out"},
                                                        {"softmax_lse", "lse"},
                                                        {"logsumexp", "lse"},
                                                        {"softmax_stats", "lse"},
                                                        {"stats", "lse"},
                                                        {"do", "dout"},
                                                        {"grad_out", "dout"},
                                                        {"grad_output", "dout"},
                                                        {"grad_lse", "dlse"},
                                                        {"grad_q", "dq"},
                                                        {"grad_query", "dq"},
                                                        {"dquery", "dq"},
                                                        {"grad_k", "dk"},
                                                        {"grad_key", "dk"},
                                                        {"dkey", "dk"},
                                                        {"grad_v", "dv"},
                                                        {"grad_value", "dv"},
                                                        {"dvalue", "dv"},
                                                        {"cu_seqlens_kv", "cu_seqlens_k"},
                                                        {"s_aux", "sinks"},
                                                        {"learnable_sink", "sinks"},
                                                        {"dsink", "dsinks"},
                                                        {"grad_sinks", "dsinks"},
                                                        {"attn_bias", "bias"},
                                                        {"dropout_mask", "keep"},
                                                        {"seqused_kv", "seqused_k"},
                                                        {"q_descale", "descale_q"},
                                                        {"k_descale", "descale_k"},
                                                        {"v_descale", "descale_v"},
                                                        {"cache_seqlens", "seqused_k"}};
  return names;
}

// The name here of a tensor of a file; torch calls both a bias and a boolean mask attn_mask
std::string name_of(const TensorEntry& entry) {
  if (entry.name == "attn_mask" || entry.name == "attention_mask")
    return entry.dtype == Dtype::i64 ? "mask" : "bias";
  return canonical_name(entry.name);
}

std::string list_of(const std::vector<std::string>& names) {
  constexpr std::size_t listed = 8;
  std::string text;
  for (std::size_t n = 0; n < std::min(listed, names.size()); ++n) text += (n == 0 ? "" : ", ") + names[n];
  return names.size() > listed ? text + " and " + std::to_string(names.size() - listed) + " more" : text;
}

}  // namespace

std::string canonical_name(const std::string& name) {
  if (names_here().count(name)) return name;
  std::string lower = name;
  for (char& letter : lower) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  const auto found = names_elsewhere().find(lower);
  return found != names_elsewhere().end() ? found->second : names_here().count(lower) ? lower : name;
}

NamedTensors::NamedTensors(const std::filesystem::path& path, const std::string& sole) : file_(path) {
  listing_.metadata = file_.listing().metadata;
  std::vector<std::string> renamed, ignored;
  std::set<std::string> taken;
  for (const TensorEntry& entry : file_.listing().tensors)
    if (names_here().count(entry.name)) taken.insert(entry.name);
  for (const TensorEntry& entry : file_.listing().tensors) {
    const std::string name = entry.name.empty() ? sole : name_of(entry);
    const bool known = names_here().count(name) && (name == entry.name || taken.insert(name).second);
    if (!known) ignored.push_back(in_quotes(entry.name));
    if (known && name != entry.name && !entry.name.empty())
      renamed.push_back(in_quotes(entry.name) + " as " + name);
    names_.push_back(entry.name);
    listing_.tensors.push_back(entry);
    if (known) listing_.tensors.back().name = name;
  }
  if (!renamed.empty()) notes_.push_back("tensors read under other names: " + list_of(renamed));
  if (!ignored.empty()) notes_.push_back("tensors ignored: " + list_of(ignored));
}

StoredTensor NamedTensors::read(const std::string& name) const {
  const TensorEntry& found = listing_.at(name);
  TensorEntry entry = found;
  entry.name = names_[static_cast<std::size_t>(&found - listing_.tensors.data())];
  return file_.read(entry);
}

}  // namespace ringattn::cli
