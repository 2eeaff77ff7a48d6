// SPDX-License-Identifier: Apache-2.0
// MLflow's Java client against a server: java -cp JARS Client.java URL MODEL. Each check that holds is one line; the first that does not
// ends the program with its text and exit code 1.
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.mlflow.api.proto.ModelRegistry.ModelVersion;
import org.mlflow.api.proto.Service.*;
import org.mlflow.tracking.ExperimentsPage;
import org.mlflow.tracking.MlflowClient;
import org.mlflow.tracking.RunsPage;

public class Client {
  private static void check(boolean holds, String what) {
    if (!holds) {
      System.out.println("wrong: " + what);
      System.exit(1);
    }
    System.out.println("ok: " + what);
  }

  public static void main(String[] arguments) {
    MlflowClient client = new MlflowClient(arguments[0]);
    String stem = arguments[1];

    String experiment = client.createExperiment(stem);
    check(client.getExperiment(experiment).getName().equals(stem), "experiment by id");
    check(client.getExperimentByName(stem).get().getExperimentId().equals(experiment), "experiment by name");
    check(!client.getExperimentByName(stem + "-absent").isPresent(), "absent experiment");
    client.setExperimentTag(experiment, "team", "java");
    ExperimentsPage experiments = client.searchExperiments("name = '" + stem + "'");
    check(experiments.getItems().size() == 1, "experiments by filter");
    check(experiments.getItems().get(0).getTags(0).getValue().equals("java"), "tag of an experiment");

    RunInfo info = client.createRun(CreateRun.newBuilder().setExperimentId(experiment).setUserId("ada").setStartTime(1234).build());
    String run = info.getRunId();
    check(info.getStatus() == RunStatus.RUNNING && info.getStartTime() == 1234, "created run");
    client.logParam(run, "alpha", "0.5");
    client.logMetric(run, "loss", 2.0, 100, 0);
    client.logMetric(run, "loss", 1.0, 200, 1);
    client.logMetric(run, "nan", Double.NaN);
    client.setTag(run, "kind", "test");
    client.setTag(run, "gone", "soon");
    client.deleteTag(run, "gone");
    client.logBatch(run, Arrays.asList(Metric.newBuilder().setKey("auc").setValue(0.75).setTimestamp(5).setStep(2).build()),
        Arrays.asList(Param.newBuilder().setKey("beta").setValue("2").build()),
        Arrays.asList(RunTag.newBuilder().setKey("batch").setValue("yes").build()));
    client.setTerminated(run, RunStatus.FINISHED, 5678);

    Run found = client.getRun(run);
    Map<String, Double> metrics = found.getData().getMetricsList().stream().collect(Collectors.toMap(Metric::getKey, Metric::getValue));
    Map<String, String> params = found.getData().getParamsList().stream().collect(Collectors.toMap(Param::getKey, Param::getValue));
    Map<String, String> tags = found.getData().getTagsList().stream().collect(Collectors.toMap(RunTag::getKey, RunTag::getValue));
    check(metrics.get("loss") == 1.0 && metrics.get("auc") == 0.75 && metrics.get("nan").isNaN(), "metrics of a run");
    check(params.get("alpha").equals("0.5") && params.get("beta").equals("2"), "parameters of a run");
    check(tags.get("kind").equals("test") && tags.get("batch").equals("yes") && !tags.containsKey("gone"), "tags of a run");
    check(found.getInfo().getStatus() == RunStatus.FINISHED && found.getInfo().getEndTime() == 5678, "end of a run");
    List<Metric> history = client.getMetricHistory(run, "loss");
    check(history.size() == 2 && history.get(0).getValue() == 2.0 && history.get(1).getStep() == 1, "history of a metric");

    for (int i = 0; i < 4; i++) {
      client.logMetric(client.createRun(experiment).getRunId(), "loss", i);
    }
    RunsPage page = client.searchRuns(Arrays.asList(experiment), "metrics.loss >= 0", ViewType.ACTIVE_ONLY, 3, Arrays.asList("metrics.loss DESC"));
    check(page.getPageSize() == 3 && page.hasNextPage(), "first page of runs");
    RunsPage second = (RunsPage) page.getNextPage();
    check(second.getPageSize() == 2 && !second.hasNextPage(), "second page of runs");
    client.deleteRun(run);
    check(client.getRun(run).getInfo().getLifecycleStage().equals("deleted"), "deleted run");
    client.restoreRun(run);
    check(client.getRun(run).getInfo().getLifecycleStage().equals("active"), "restored run");

    client.sendPost("registered-models/create", "{\"name\": \"" + stem + "\"}");
    client.sendPost("model-versions/create", "{\"name\": \"" + stem + "\", \"source\": \"s3://bucket/model\"}");
    ModelVersion version = client.getModelVersion(stem, "1");
    check(version.getSource().equals("s3://bucket/model") && version.getCurrentStage().equals("None"), "model version");
    check(client.getModelVersionDownloadUri(stem, "1").equals("s3://bucket/model"), "address of a model version");
    check(client.getLatestVersions(stem).size() == 1 && client.getRegisteredModel(stem).getName().equals(stem), "registered model");
    check(client.searchModelVersions("name = '" + stem + "'").getItems().size() == 1, "model versions by filter");

    client.renameExperiment(experiment, stem + "-renamed");
    client.deleteExperiment(experiment);
    check(client.getExperiment(experiment).getLifecycleStage().equals("deleted"), "deleted experiment");
    client.restoreExperiment(experiment);
    check(client.getExperiment(experiment).getName().equals(stem + "-renamed"), "renamed experiment");
    try {
      client.getRun("0123456789abcdef0123456789abcdef");
      check(false, "an unknown run is an error");
    } catch (org.mlflow.tracking.MlflowClientException error) {
      check(error.getMessage().contains("not found"), "an unknown run is an error");
    }
    client.close();
  }
}
