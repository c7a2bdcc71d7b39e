// include/kthena/manifest.hpp
//
// manifest: documents. Policies, pools, requests and scenarios as JSON, to and from the typed values of the other areas.
#pragma once

#include "kthena/manifest/route.hpp"
#include "kthena/manifest/scenario.hpp"
