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
  card.segments = {"Metrics by segment", {"segment", "ROC AUC"}, {{"as of 2011-07-01", "0.77"}}};
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
  EXPECT_THAT(text, Not(HasSubstr("Gates")));
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
