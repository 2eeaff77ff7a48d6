// SPDX-License-Identifier: Apache-2.0
// Model cards: what is there is shown, what is not is left out, and texts stay texts.
#include "evaluation/model_card.h"

#include <gmock/gmock.h>

namespace millrace::evaluation {
namespace {

using testing::HasSubstr;
using testing::Not;

ModelCard Sample() {
  ModelCard card;
  card.title = "churn, version 3";
  card.intended_use = "Vouchers for customers who may leave | not for prices";
  card.identity = {{"run", "abc"}, {"aliases", "champion"}};
  card.data = {"Data", {"data set", "hash"}, {{"transactions", "9f2c"}}};
  card.features = {"n_orders", "days_since_last_purchase"};
  card.metrics = {{"test_roc_auc", "0.7725"}};
  const Grouping plans{"plan_name", {"basic", "gold|rare"}, {0, 0, 0, 0, 1}};
  GroupOptions options;
  options.minimum_rows = 2;
  card.segments = {*MeasureGroups(std::vector<double>{0.9, 0.2, 0.8, 0.1, 0.7},
                                  std::vector<std::uint8_t>{1, 0, 0, 0, 1}, plans, options)};
  card.approvals = {"Approvals", {"who", "why"}, {{"alice", "<b>good</b>\nindeed"}}};
  card.lineage = {"table transactions -> features customer_activity"};
  return card;
}

TEST(ModelCard, MarkdownShowsWhatIsThere) {
  const std::string text = ModelCardMarkdown(Sample());
  EXPECT_THAT(text, HasSubstr("# Model card: churn, version 3\n"));
  EXPECT_THAT(text, HasSubstr("\n## Data\n\n| data set | hash |\n| --- | --- |\n"
                              "| transactions | 9f2c |\n"));
  EXPECT_THAT(text, HasSubstr("| 2 | days\\_since\\_last\\_purchase |"));
  EXPECT_THAT(text, HasSubstr("may leave \\| not for prices"));
  EXPECT_THAT(text, HasSubstr("| alice | \\<b\\>good\\</b\\> indeed |"));
  EXPECT_THAT(text, HasSubstr("- table transactions -\\> features"));
  EXPECT_THAT(text, Not(HasSubstr("Fairness")));
  EXPECT_THAT(text, Not(HasSubstr(".svg")));
  EXPECT_THAT(text, Not(HasSubstr("Gates")));
}

ModelCard WithFairness() {
  ModelCard card = Sample();
  card.fairness = card.segments;
  card.fairness[0].measures = MeasureFairness(card.fairness[0].groups);
  return card;
}

TEST(ModelCard, MarkdownShowsGroupsAndMarksSmallOnes) {
  const std::string text = ModelCardMarkdown(WithFairness(), "card_");
  EXPECT_THAT(text, HasSubstr("\n### Metrics by plan\\_name\n"));
  EXPECT_THAT(text, HasSubstr("| basic | 4 | 1 | 1.000 \\[1.000, 1.000\\] |"));
  EXPECT_THAT(text, HasSubstr("| gold\\|rare (not judged) | 1 | 1 | – |"));
  EXPECT_THAT(text, HasSubstr("| demographic\\_parity\\_difference | undefined |  |  | undefined: "
                              "1 group can be judged, two are needed; not judged: gold\\|rare |"));
  EXPECT_THAT(text, HasSubstr("![Metrics by segment](<card_segments.svg>)"));
  EXPECT_THAT(text, HasSubstr("![Decisions by group](<card_fairness.svg>)"));
  const std::vector<CardPicture> pictures = ModelCardPictures(WithFairness());
  ASSERT_EQ(pictures.size(), 2U);
  EXPECT_THAT(pictures[1].svg, HasSubstr("Decisions by plan_name"));
}

TEST(ModelCard, HtmlShowsGroupsWithTheirPictures) {
  const std::string page = ModelCardHtml(WithFairness());
  for (const char* part : {"<h2>Metrics by segment</h2>", "<h2>Fairness</h2>", "By plan_name",
                           "ROC AUC by plan_name", "equal_opportunity_ratio", "not judged"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
}

TEST(ModelCard, HtmlEscapesTexts) {
  const std::string page = ModelCardHtml(Sample());
  EXPECT_THAT(page, HasSubstr("<h1>Model card: churn, version 3</h1>"));
  EXPECT_THAT(page, HasSubstr("&lt;b&gt;good"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, HasSubstr("Metrics by segment"));
}

}  // namespace
}  // namespace millrace::evaluation
