#include "net/event_stream.h"

#include <gtest/gtest.h>

#include <memory>

namespace freehold {
namespace {

TEST(EventStreamTest, WhatIsSentWaitsUntilItIsTaken) {
  EventStream stream;
  int woken = 0;
  EXPECT_TRUE(stream.Send("a"));
  stream.Attach([&] { ++woken; });
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(stream.Send("b"));
  EXPECT_EQ(woken, 2);
  EXPECT_EQ(stream.Take(), "ab");
  EXPECT_EQ(stream.Take(), "");
}

TEST(EventStreamTest, AClosedStreamGivesOutWhatWasSentBefore) {
  EventStream stream;
  stream.Send("last");
  stream.Close();
  EXPECT_FALSE(stream.Send("more"));
  EXPECT_EQ(stream.Take(), "last");
}

TEST(EventStreamTest, ASlowClientIsCutOff) {
  EventStream stream;
  const std::string piece(EventStream::kMostWaiting / 2, 'x');
  EXPECT_TRUE(stream.Send(piece));
  EXPECT_TRUE(stream.Send(piece));
  EXPECT_FALSE(stream.Send("one too many"));
  EXPECT_EQ(stream.Take(), "");
}

TEST(EventStreamTest, AnAbandonedStreamLetsGoOfItsServer) {
  EventStream stream;
  const auto held = std::make_shared<int>(1);
  stream.Attach([held] {});
  EXPECT_EQ(held.use_count(), 2);
  stream.Abandon();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(stream.open());
}

TEST(EventParserTest, EventsComeWholeHoweverTheyAreCut) {
  const std::string text = ":\n\n" + FormatEvent("desired", "{\"a\":1}") + FormatEvent("x", "y");
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    EventParser parser;
    std::vector<EventParser::Event> events;
    for (std::size_t at = 0; at < text.size(); at += cut) {
      for (auto& event : parser.Feed(std::string_view(text).substr(at, cut))) {
        events.push_back(event);
      }
    }
    ASSERT_EQ(events.size(), 2u) << cut;
    EXPECT_EQ(events[0].name, "desired");
    EXPECT_EQ(events[0].data, "{\"a\":1}");
    EXPECT_EQ(events[1].data, "y");
  }
}

TEST(EventParserTest, ALineWithoutEndIsNotKeptForEver) {
  EventParser parser;
  const std::string noise(1 << 20, 'x');
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(parser.Feed(noise).empty());
  EXPECT_TRUE(parser.Feed("\n\n").empty());
  EXPECT_EQ(parser.Feed(FormatEvent("desired", "z")).size(), 1u);
}

}  // namespace
}  // namespace freehold
