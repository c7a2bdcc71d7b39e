// include/kthena/manifest.hpp
//
// manifest: documents. Policies, pools, requests, scenarios and what engines say as JSON, to and from the typed values of the other areas.
#pragma once

#include "kthena/manifest/decision_log.hpp"
#include "kthena/manifest/engine.hpp"
#include "kthena/manifest/lint.hpp"
#include "kthena/manifest/route.hpp"
#include "kthena/manifest/scenario.hpp"
