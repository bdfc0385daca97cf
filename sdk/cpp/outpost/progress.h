// ProgressEvent is how far a piece of long work is; see Module::UpdateProgress.
#ifndef OUTPOST_SDK_CPP_OUTPOST_PROGRESS_H_
#define OUTPOST_SDK_CPP_OUTPOST_PROGRESS_H_

#include <string>

namespace outpost {

struct ProgressEvent {
  std::string id = {};       // the module's own name for it, unique among its events; not empty
  std::string message = {};  // what is done, in one line
  double progress = 0;       // how far it is: 0 to 1, both included
  bool in_status = true;     // show it in `outpost status`, too
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_PROGRESS_H_
