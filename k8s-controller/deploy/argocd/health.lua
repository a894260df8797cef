-- How healthy a SealedManifest is, for Argo CD: resource.customizations.health of
-- argocd-cm. The controller sets Ready, and Stalled if trying again does not help.
local health = {status = "Progressing", message = "waiting for gitseal-controller"}
if obj.spec ~= nil and obj.spec.suspend == true then
  -- "Suspended" would say it better, but a sync waits for that without end, and takes
  -- no newer commit meanwhile: not even the one that ends it.
  health.status = "Healthy"
  health.message = "spec.suspend is set: nothing is opened or written"
  return health
end
if obj.status == nil or obj.status.conditions == nil then
  return health
end
for _, condition in ipairs(obj.status.conditions) do
  -- What is said about an older version says nothing about this one.
  if condition.observedGeneration == obj.metadata.generation then
    if condition.type == "Ready" then
      health.message = condition.reason .. ": " .. condition.message
      if condition.status == "True" then
        health.status = "Healthy"
        return health
      end
    elseif condition.type == "Stalled" and condition.status == "True" then
      health.status = "Degraded"
      health.message = condition.reason .. ": " .. condition.message
      return health
    end
  end
end
return health
