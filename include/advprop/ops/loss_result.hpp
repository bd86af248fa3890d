// What a loss tells about one batch.
#pragma once

namespace advprop {

/// `loss` is the mean over the batch; `correct` and `correct_top5` count images whose label is the top or among the top
/// five logits (among all, where there are fewer classes).
struct loss_result {
  double loss = 0;
  int correct = 0, correct_top5 = 0;
};

}  // namespace advprop
