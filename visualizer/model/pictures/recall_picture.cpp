#include "visualizer/model/pictures/recall_picture.h"

#include <cmath>

#include "reference/cli/recall/induction_head.h"

namespace ringattn::viz {

namespace {

// The row events whose blocks have been absorbed, including one that is almost over
std::vector<const Event*> absorbed_events(const Recording& recording, const Moment& moment) {
  RowHistory history = row_history(recording, moment, 0);
  if (history.now && history.fraction >= 0.9) history.past.push_back(history.now);
  return history.past;
}

int device_of_query(const Recording& recording, const Moment& moment,
                    const std::vector<const Event*>& absorbed) {
  const int query_owner = recording.owner_of_query(0);
  if (!recording.header().queries_rotate()) return query_owner;
  int last = absorbed.empty() ? query_owner : absorbed.back()->id.device;
  for (int device = 0; device < recording.devices(); ++device) {
    const Span* doing = moment.devices[static_cast<std::size_t>(device)].doing;
    if (doing && doing->begin->kind == EventKind::compute && doing->begin->owner == query_owner)
      last = device;
  }
  return last;
}

std::string joined_words(const Recording& recording) {
  std::string text;
  for (const std::string& word : recording.words) text += (text.empty() ? "" : " ") + word;
  return text;
}

void find_agreement(RecallPicture& picture, const Recording& recording) {
  const std::vector<std::string> text = cli::InductionHead::tokenize(joined_words(recording)),
                                 prompt = cli::InductionHead::tokenize(recording.prompt);
  for (Index j = 1; j <= cli::InductionHead::context; ++j) {
    const Index in_prompt = static_cast<Index>(prompt.size()) - j, in_text = picture.best - j;
    if (in_prompt < 0 || in_text < 0) return;
    if (prompt[static_cast<std::size_t>(in_prompt)] == text[static_cast<std::size_t>(in_text)])
      picture.agreeing.push_back(in_text);
  }
}

}  // namespace

std::optional<RecallPicture> recall_picture(const Recording& recording, const Moment& moment) {
  if (recording.prompt.empty() || !recording.inputs) return std::nullopt;
  const OwnedProblem<double>& inputs = *recording.inputs;
  const auto keys = static_cast<std::size_t>(recording.header().Skv);
  const std::vector<const Event*> absorbed = absorbed_events(recording, moment);
  RecallPicture picture;
  picture.met.resize(keys), picture.weights.resize(keys);
  picture.at = device_of_query(recording, moment, absorbed);
  if (absorbed.empty()) return picture;

  // The weights of the words until now
  const RowUpdate& last = *absorbed.back()->row;
  picture.m = last.m_after, picture.l = last.l_after;
  const double scale = inputs.scoring.scale(inputs.Q.shape().D);
  const auto q = inputs.Q.head(0, 0).row(0);
  for (const Event* event : absorbed)
    for (const Index key :
         recording.key_rows(recording.header().queries_rotate() ? event->id.device : event->owner)) {
      const auto k = static_cast<std::size_t>(key);
      picture.met[k] = true;
      picture.weights[k] = std::exp(scale * q.dot(inputs.K.head(0, 0).row(key)) - picture.m) / picture.l;
      if (picture.best < 0 || picture.weights[k] > picture.weights[static_cast<std::size_t>(picture.best)])
        picture.best = key;
    }
  find_agreement(picture, recording);

  // The output is close to the value of one word
  if (absorbed.size() < static_cast<std::size_t>(recording.devices())) return picture;
  const Eigen::Map<const Eigen::VectorXd> O(last.O_after.data(), static_cast<Index>(last.O_after.size()));
  Index nearest = 0;
  (inputs.V.head(0, 0) * O).maxCoeff(&nearest);
  picture.continuation = recording.words[static_cast<std::size_t>(nearest)];
  return picture;
}

}  // namespace ringattn::viz
