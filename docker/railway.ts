// railway.ts - the proxy as a Railway service: a part of your project's .railway/railway.ts, which
// replaces railway.json (not read from 2026-12-01 on). docs/running.md, "Railway".
//
// .railway/railway.ts describes the whole project, and what it leaves out may be removed: begin with
// "railway config pull", copy the two constants below into what comes out and add them to its
// resources. "railway config plan" shows what would change.
import { defineRailway, image, preserve, project, service, volume } from "railway/iac";

export default defineRailway(() => {
  // The weight survives a deployment. EDIT: the region of the service.
  const state = volume("cutover-state", { region: "europe-west4", sizeMB: 1024 });

  const cutover = service("cutover", {
    source: image("registry.example.org/cutover:latest"), // EDIT
    // The state is for one process.
    replicas: 1,
    // EDIT: the public name; it must be the port of PORT below.
    domains: [{ domain: "www.example.org", port: 8080 }],
    // health_path of the configuration: the proxy answers for itself.
    healthcheck: "/cutover-health",
    healthcheckTimeout: 60,
    volumeMounts: { "/var/lib/cutover": state },
    env: {
      PORT: "8080",
      // Volumes belong to root.
      RAILWAY_RUN_UID: "0",
      // 0 unless set: TERM and KILL at once. More than timeouts.drain (25s).
      RAILWAY_DEPLOYMENT_DRAINING_SECONDS: "40",
      INITIAL_WEIGHT: "0",
      // The whole cutover.yaml; set in the dashboard, and kept.
      CUTOVER_CONFIG: preserve(),
    },
  });

  return project("my-project", { resources: [cutover, state] });
});
