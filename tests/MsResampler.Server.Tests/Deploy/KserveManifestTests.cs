using System.Globalization;
using k8s.Models;
using MsResampler.Server.Hosting;
using YamlDotNet.RepresentationModel;

namespace MsResampler.Server.Tests.Deploy;

/// <summary>The runtimes and services for KServe. Its definitions are not part of a package; the fields are checked
/// against tables that were written by hand from them (<see cref="KserveSchema"/>).</summary>
public sealed class KserveManifestTests
{
    private const string NameTemplate = "{{.Name}}";

    /// <summary>Ports that Knative's own containers use (its runtime contract).</summary>
    private static readonly int[] s_reservedPorts = [8008, 8012, 8013, 8022, 8112, 9090, 9091];

    [Test]
    public void KServe_has_every_field()
    {
        KserveManifest[] objects = KserveManifest.Load(DeployFile.ReadOrSkip("kserve.yaml"));
        Assert.That(objects.Select(item => item.Text("kind")), Is.EqualTo(new[]
        {
            "ServingRuntime", "ServingRuntime", "InferenceService", "InferenceService",
        }));
        Assert.That(objects.SelectMany(KserveSchema.Problems), Is.Empty);
    }

    [TestCase("scaleMetric: concurrency", "scaleMetric: concurrent",
        "InferenceService.spec.predictor.scaleMetric: expected one of cpu, memory, concurrency, rps, found concurrent")]
    [TestCase("scaleTarget: 16", "scaleTargets: 16",
        "InferenceService.spec.predictor.scaleTargets: there is no such field")]
    [TestCase("- grpc-v2", "- v3",
        "ServingRuntime.spec.protocolVersions[0]: expected one of v1, v2, grpc-v1, grpc-v2, found v3")]
    public void A_wrong_field_is_found(string right, string wrong, string message)
    {
        string text = DeployFile.ReadOrSkip("kserve.yaml");
        Assert.That(text, Does.Contain(right));
        Assert.That(KserveManifest.Load(text.Replace(right, wrong, StringComparison.Ordinal))
            .SelectMany(KserveSchema.Problems), Has.Some.EqualTo(message));
    }

    [Test]
    public void A_service_names_a_runtime_for_its_format_and_protocol()
    {
        KserveManifest[] runtimes = KserveManifest.OfKind("ServingRuntime");
        foreach (KserveManifest service in KserveManifest.OfKind("InferenceService"))
        {
            string name = service.Text("spec", "predictor", "model", "runtime");
            KserveManifest runtime = runtimes.Single(item => item.Text("metadata", "name") == name);
            Assert.That(runtime.List("spec", "protocolVersions"),
                Does.Contain(service.Text("spec", "predictor", "model", "protocolVersion")));
            YamlNode format = ((YamlSequenceNode)runtime.Node("spec", "supportedModelFormats")).Single();
            Assert.That(service.Text("spec", "predictor", "model", "modelFormat", "name"),
                Is.EqualTo(((YamlScalarNode)format["name"]).Value));
        }
    }

    [TestCase("v2", "http1")]
    [TestCase("grpc-v2", "h2c")]
    public void Knative_finds_the_one_port_of_the_protocol(string protocol, string name)
    {
        V1Container container = RuntimeOf(protocol).Container();
        ServerSettings settings = Parse(container);
        V1ContainerPort port = container.Ports.Single();
        Assert.That((port.Name, port.ContainerPort),
            Is.EqualTo((name, protocol == "v2" ? settings.Http : settings.Grpc)));
        Assert.That(s_reservedPorts, Does.Not.Contain(port.ContainerPort));
        Assert.That(container.Name, Is.EqualTo("kserve-container"), "the name that KServe looks for");
        Assert.That(RuntimeOf(protocol).Text("spec", "annotations", "prometheus.kserve.io/port"),
            Is.EqualTo(settings.Http.ToString(CultureInfo.InvariantCulture)));
    }

    [TestCase("v2")]
    [TestCase("grpc-v2")]
    public void The_model_has_the_name_of_the_service_and_the_folder_of_the_storage(string protocol)
    {
        ServerSettings settings = Parse(RuntimeOf(protocol).Container());
        KeyValuePair<string, ModelSettings> model = settings.Models.Single();
        Assert.That((model.Key, model.Value.Path), Is.EqualTo(("tokens", "/mnt/models")));
        Assert.That(string.Join(' ', RuntimeOf(protocol).Container().Args), Does.Contain($"--model={NameTemplate}="));
    }

    [TestCase("v2")]
    [TestCase("grpc-v2")]
    public void Probes_ask_the_health_of_the_server(string protocol)
    {
        V1Container container = RuntimeOf(protocol).Container();
        ServerSettings settings = Parse(container);
        string http = settings.Http.ToString(CultureInfo.InvariantCulture);
        Assert.That((container.LivenessProbe.HttpGet.Path, container.LivenessProbe.HttpGet.Port.Value),
            Is.EqualTo(("/v2/health/live", http)));
        if (protocol == "v2")
        {
            Assert.That((container.ReadinessProbe.HttpGet.Path, container.ReadinessProbe.HttpGet.Port.Value),
                Is.EqualTo(("/v2/health/ready", http)));
        }
        else
        {
            Assert.That(container.ReadinessProbe.Grpc.Port, Is.EqualTo(settings.Grpc));
        }
    }

    [TestCase("v2")]
    [TestCase("grpc-v2")]
    public void A_container_is_not_root_and_writes_nothing(string protocol)
    {
        V1Container container = RuntimeOf(protocol).Container();
        string image = Manifests.Single<V1Deployment>().Spec.Template.Spec.Containers.Single().Image;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(container.SecurityContext.RunAsNonRoot, Is.True);
            Assert.That(container.SecurityContext.RunAsUser, Is.EqualTo(ContainerImage.User));
            Assert.That(container.SecurityContext.AllowPrivilegeEscalation, Is.False);
            Assert.That(container.SecurityContext.ReadOnlyRootFilesystem, Is.True);
            Assert.That(container.SecurityContext.Capabilities.Drop, Is.EqualTo(new[] { "ALL" }));
            Assert.That(container.SecurityContext.SeccompProfile.Type, Is.EqualTo("RuntimeDefault"));
            Assert.That(container.Image, Is.EqualTo(image));
            Assert.That(container.Resources.Limits["memory"].ToDouble(),
                Is.EqualTo(container.Resources.Requests["memory"].ToDouble()));
        }
    }

    /// <summary>Knative ends a replica after the time-out of its requests.</summary>
    [Test]
    public void A_replica_has_the_time_that_the_server_takes_to_end_and_is_given_two_batches()
    {
        foreach (KserveManifest service in KserveManifest.OfKind("InferenceService"))
        {
            V1Container container = RuntimeOf(service.Text("spec", "predictor", "model", "protocolVersion"))
                .Container();
            ServerSettings settings = Parse(container);
            Assert.That(service.Number("spec", "predictor", "timeout"),
                Is.GreaterThan(settings.ShutdownDelay + settings.Grace));
            Assert.That(settings.Grace, Is.GreaterThan(settings.RequestTimeout));
            Assert.That(settings.ShutdownDelay, Is.GreaterThan(container.ReadinessProbe.PeriodSeconds!.Value
                * container.ReadinessProbe.FailureThreshold!.Value));
            Assert.That(service.Number("spec", "predictor", "scaleTarget"), Is.EqualTo(2 * settings.BatchSize));
            Assert.That(service.Number("spec", "predictor", "minReplicas"),
                Is.LessThanOrEqualTo(service.Number("spec", "predictor", "maxReplicas")));
        }
    }

    private static KserveManifest RuntimeOf(string protocol) => KserveManifest.OfKind("ServingRuntime")
        .Single(runtime => runtime.List("spec", "protocolVersions").Contains(protocol));

    /// <summary>The settings of a container whose service has the name <c>tokens</c>.</summary>
    private static ServerSettings Parse(V1Container container) => ServerArguments.Parse(
        [.. container.Args.Select(argument => argument.Replace(NameTemplate, "tokens", StringComparison.Ordinal))]);
}
