#include "reference/oracle/verdict/where.h"

#include <set>

namespace ringattn {

Where locate(const TensorVerdict& tensor_verdict, const std::vector<Index>& rows, const RowSharding& sharding,
             const RowPositions& positions) {
  const double limit = tensor_verdict.status == Status::fail ? tensor_verdict.note_limit : largest_pass;
  const Shape& shape = tensor_verdict.row_ratio.shape();
  Where where;
  std::set<Index> batches, heads, wrong;
  std::vector<ElementIndex> places;
  std::set<int> devices;
  std::set<std::int64_t> documents;
  for (Index n = 0; n < shape.S; ++n)
    for (Index b = 0; b < shape.B; ++b)
      for (Index h = 0; h < shape.H; ++h) {
        ++where.all_rows;
        if (tensor_verdict.row_ratio(b, n, h, 0) <= limit) continue;

        // A wrong row; the first of them in this order is kept
        const Index row = rows[static_cast<std::size_t>(n)];
        if (where.wrong_rows++ == 0) {
          where.first = {b, row, h, 0};
          where.device = sharding.device_of(row), where.place = sharding.place_of(row);
        }
        places.push_back({b, row, h, 0});
        batches.insert(b), heads.insert(h), wrong.insert(row);
        devices.insert(sharding.device_of(row));
        documents.insert(positions.of(b)[static_cast<std::size_t>(row)].segment);
      }
  where.batches.assign(batches.begin(), batches.end());
  where.heads.assign(heads.begin(), heads.end());
  where.rows = ranges_of({wrong.begin(), wrong.end()});
  where.boxes = boxes_of(places);
  const Vector<double>& of_channels = tensor_verdict.channel_ratio;
  for (Index d = 0; d < of_channels.size(); ++d)
    if (of_channels(d) > limit) where.channels.push_back(d);
  if (static_cast<Index>(where.channels.size()) == of_channels.size()) where.channels.clear();
  where.devices.assign(devices.begin(), devices.end());
  where.documents.assign(documents.begin(), documents.end());
  return where;
}

}  // namespace ringattn
