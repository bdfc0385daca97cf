// JSON as XML, as the Python SDK writes it: an element for each member of an
// object, named as its key is, and an <item> for each element of a list.
//
//     {"2x": null, "epoch": 3, "osds": [{"id": 0}]}
//
//     <response><item name="2x" /><epoch>3</epoch>
//     <osds><item><id>0</id></item></osds></response>
//
// A key that can't be the name of an element is an attribute; null is an empty
// element.
//
// **Thread safety.** A pure function.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_XML_WRITER_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_XML_WRITER_H_

#include <string>

#include "outpost/json.h"

namespace outpost::internal {

// With a <response> around all. `pretty`: a line for each element, indented by
// two. Characters that XML can't have become U+FFFD, bytes that are not UTF-8 '?'.
std::string ToXml(const Json& value, bool pretty);

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_XML_WRITER_H_
