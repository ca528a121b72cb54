// The table of probes: what each one measures, and its closed-form result.

#include "reference/oracle/probes/probe_recipes.h"

namespace ringattn {

const std::vector<ProbeRecipe>& probe_recipes() {
  using namespace recipes;
  static const std::vector<ProbeRecipe> table{
      {{.kind = "random",
        .shows = "normal random numbers in every tensor, which expose most mistakes",
        .right_answer = "the result of the definition",
        .made_for = {"S1", "V1", "V2", "V3", "V4", "G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G16",
                     "G22"}}},

      {{.kind = "uniform-onehot",
        .shows = "Q = 0 and V_j = e_j: a row of out shows which keys it has attended to, and how often",
        .right_answer =
            "out times the number of visible keys is 1 at every visible key and 0 elsewhere; with fewer "
            "elements than keys, element d counts the keys d, d + v_dim, d + 2 v_dim, ...",
        .made_for = {"M1",  "M2",  "M3",  "M4",  "M5", "M6", "M7", "M9",  "M10",
                     "M12", "M14", "R1",  "R2",  "R3", "R4", "R9", "R10", "R11",
                     "R12", "R13", "R14", "R15", "P1", "P2", "P4", "P5",  "P6"}},
       one_value_element_for_each_key,
       uniform_one_hot},

      {{.kind = "window",
        .shows = "uniform-onehot with a window that reaches beyond a whole block of the ring",
        .right_answer = "every key in the window has weight 1 / (their number), every other key 0",
        .made_for = {"M16", "M17", "M18"}},
       one_value_element_for_each_key,
       window},

      {{.kind = "staircase-up",
        .shows =
            "logits rise from 0 to 16 along the keys: the running maximum grows at every tile of a block",
        .right_answer = "the weight of a key is e^(16 / Skv) that of the key before it",
        .made_for = {"S9", "O1", "O2", "O3", "O4", "L1", "L4", "L5", "L6", "L7", "L8", "L9"}},
       nullptr,
       staircase_up},

      {{.kind = "staircase-down",
        .shows =
            "logits fall from 0 to -16 along the keys: the maximum of a block is its first key, and grows "
            "with every causal step of the ring",
        .right_answer = "the weight of a key is e^(-16 / Skv) that of the key before it",
        .made_for = {"S9", "O1", "O2", "O3", "O4", "L1", "L4", "L5", "L6", "L7", "L8", "L9"}},
       nullptr,
       staircase_down},

      {{.kind = "cold",
        .shows = "every logit is about -16: a spurious key of logit 0 outweighs all keys of the input",
        .right_answer = "the mean of the visible values; lse = logit + ln(number of visible keys)",
        .made_for = {"O6", "M12", "M13"}},
       nullptr,
       cold},

      {{.kind = "frozen",
        .shows =
            "every logit is about -10240, below the -1e4 that some programs use for -infinity; check the "
            "forward alone, rounding leaves the gradients few digits",
        .right_answer = "the mean of the visible values; lse = logit + ln(number of visible keys)",
        .made_for = {"M21"}},
       nullptr,
       frozen},

      {{.kind = "spike",
        .shows = "one key in the block of each device has logit 20, the others 0, and V_j = e_(device of j): "
                 "out is the weight of each block, which a lost or repeated block changes a lot",
        .right_answer = "1 / (number of visible spikes) for each block whose spike is visible, to 1e-8 Skv",
        .made_for = {"R1", "R2", "R3", "R4", "R9", "R11", "R13", "R14", "R15", "L7", "L8"}},
       nullptr,
       spike},

      {{.kind = "needle",
        .shows =
            "each query attends to two keys at the ends of the sequence or at the borders of devices "
            "and tiles, one of them at its own position if possible; the pair changes from query to query",
        .right_answer = "the mean of the two values, to 1e-10 Skv",
        .made_for = {"M2", "M14", "L5", "L6", "L7", "R1", "R6", "R7", "R8", "R14", "R15"}},
       room_for_two_needles,
       needle},

      {{.kind = "big-logits",
        .shows =
            "the logits of each block are near one of several levels from -1000 to 1000, where exp overflows "
            "unless the maximum is subtracted",
        .right_answer =
            "every number is finite, and a row attends only to the highest block that is visible to it",
        .made_for = {"O1", "O4", "L3", "L11"}},
       nullptr,
       big_logits},

      {{.kind = "two-key",
        .shows =
            "two keys in alternation: logit 2 with V = e_0 and logit 0 with V = e_1, which reveals the scale",
        .right_answer =
            "ln(out_0 / out_1) = scale (Q . K_0 - Q . K_1) + ln(visible keys of the first kind / of "
            "the second)",
        .made_for = {"S1", "S2", "S3", "S4", "S5", "S7", "S8"}},
       room_for_two_values,
       two_key},

      {{.kind = "ones",
        .shows = "V = 1: out is the sum of the weights",
        .right_answer = "out = 1 for every row with a visible key",
        .made_for = {"S6", "M10", "O1", "O2", "O5", "O6", "O7", "L4", "L8"}},
       nullptr,
       ones},

      {{.kind = "head-id",
        .shows = "V is the number of its K/V head: out tells which head was used",
        .right_answer = "out of query head h is h div (heads / kv_heads), the same for every row",
        .made_for = {"H1", "H2", "H3", "H4"}},
       nullptr,
       head_id},

      {{.kind = "grouped",
        .shows = "each K/V head has elements of V that are 0 in the other heads, everything else is random: "
                 "a confusion of heads shows in the forward and in the backward",
        .right_answer = "out of query head h is 0 but for the elements d = h div (heads / kv_heads), modulo "
                        "kv_heads",
        .made_for = {"H1", "H2", "H3", "H4", "G18", "G19"}},
       nullptr,
       grouped},

      {{.kind = "position-id",
        .shows = "every query attends to the key at its own position, whose value is that position",
        .right_answer = "16 out is the position in digits to the base 64, lowest digit first",
        .made_for = {"P1", "P2", "P3"}},
       nullptr,
       position_id},

      {{.kind = "duplicate",
        .shows = "every key occurs twice; without_twins() makes the second run",
        .right_answer =
            "rows to which only whole pairs are visible have the same out as without the twins, and an lse "
            "larger by ln 2",
        .made_for = {"O6", "M13", "L1"}},
       nullptr,
       duplicate},

      {{.kind = "leak",
        .shows = "random and causal; leak_of() changes a token for the second run",
        .right_answer = "both runs have the same bits in every row before that token",
        .made_for = {"M1", "M3", "M4", "M5", "M6", "M9", "M12", "P4"}},
       always_causal},

      {{.kind = "empty-rows",
        .shows = "every fifth query belongs to a document that has no keys",
        .right_answer = "out = 0, lse = -infinity and dq = 0 in these rows; dk and dv do not depend on them",
        .made_for = {"M20", "L12"}},
       nullptr,
       empty_rows},

      {{.kind = "documents",
        .shows = "packed documents of random lengths, across the borders of devices; element 0 of V is the "
                 "number of its document divided by 16",
        .right_answer = "element 0 of 16 out is the number of the row's own document",
        .made_for = {"M19"}},
       nullptr,
       documents},

      {{.kind = "odd",
        .shows = "random, with lengths reduced to odd ones that the number of devices does not divide",
        .right_answer = "the result of the definition",
        .made_for = {"M13", "M14", "P2"}},
       odd_lengths},

      {{.kind = "identity-grad",
        .shows = "dO_i = e_i, and every query prefers the key at its own position: a gradient at another "
                 "position shows",
        .right_answer =
            "dV = P^T, summed over the query heads of a group: the largest element of row j is element j",
        .made_for = {"G13", "G14", "G15", "G17", "G18", "G19", "G20", "G21", "G23", "G24"}},
       one_value_element_for_each_query,
       identity_grad},

      {{.kind = "lse-grad",
        .shows = "dO = 0 and dlse = 1: gradients through lse alone",
        .right_answer = "dV = 0 and dQ = scale P K; for each head, sum dK = scale sum Q",
        .made_for = {"G9", "G10", "G11", "G12", "G27"}},
       nullptr,
       lse_grad},
  };
  return table;
}

}  // namespace ringattn
