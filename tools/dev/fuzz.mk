# Makes fuzzers with clang, libFuzzer, ASan and UBSan: .tools/fuzz/NAME/fuzzer of the sources that
# .tools/fuzz/NAME/sources lists, each compiled once for all. Used by tools/dev/fuzz.sh.
#   make -f tools/dev/fuzz.mk NAMES="caps pointer"

CXX := clang++-14
OUT := .tools/fuzz
PACKAGES := absl_any_invocable absl_flat_hash_map absl_hash absl_random_random absl_status \
  absl_statusor absl_str_format absl_strings absl_synchronization absl_time \
  gtest protobuf re2 simdjson spdlog sqlite3
# toml++ 3.3 calls code unreachable that letters beyond ASCII reach, and goes on as it should.
SANITIZE := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=unreachable
CXXFLAGS := -std=c++20 -O1 -g1 -I. -Isdk/cpp -I$(OUT)/protos \
  $(shell pkg-config --cflags $(PACKAGES))
LIBS := $(shell pkg-config --libs $(PACKAGES)) -lseccomp -luuid -lcrypto

all: $(NAMES:%=$(OUT)/%/fuzzer)

# A proto in the sources is what protoc makes of it, which is not what is fuzzed.
object = $(OUT)/objects/$(patsubst proto/%.proto,protos/%.pb,$(1:.cc=)).o

define fuzzer
$(OUT)/$(1)/fuzzer: $(foreach source,$(file <$(OUT)/$(1)/sources),$(call object,$(source)))
	$(CXX) $(SANITIZE) -fsanitize=fuzzer $$^ -o $$@ $(LIBS)
endef
$(foreach name,$(NAMES),$(eval $(call fuzzer,$(name))))

PROTOS := $(patsubst proto/%.proto,$(OUT)/protos/%.pb.cc,$(wildcard proto/outpost/v1/*.proto))
$(PROTOS) &: $(wildcard proto/outpost/v1/*.proto)
	mkdir -p $(OUT)/protos
	protoc -Iproto --cpp_out=$(OUT)/protos $^

$(OUT)/objects/protos/%.pb.o: $(OUT)/protos/%.pb.cc
	mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -w -c $< -o $@

$(OUT)/objects/%.o: %.cc | $(PROTOS)
	mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) $(SANITIZE) -MMD -MP -c $< -o $@

-include $(shell find $(OUT)/objects -name '*.d' 2>/dev/null)
.PHONY: all
.SECONDARY:
