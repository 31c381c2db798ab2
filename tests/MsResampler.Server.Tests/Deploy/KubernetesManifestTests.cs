using System.Globalization;
using k8s.Models;
using MsResampler.Server.Hosting;
using YamlDotNet.Core;

namespace MsResampler.Server.Tests.Deploy;

/// <summary>The manifests for Kubernetes: the API has all their fields, they refer to each other, and their pods have
/// few rights.</summary>
public sealed class KubernetesManifestTests
{
    [Test]
    public void The_API_has_every_field()
    {
        Type[] types = [.. Manifests.All.Select(item => item.GetType())];
        Assert.That(types, Is.EquivalentTo(new[]
        {
            typeof(V1ServiceAccount), typeof(V1PersistentVolumeClaim), typeof(V1Deployment), typeof(V1Service),
            typeof(V1Service), typeof(V2HorizontalPodAutoscaler), typeof(V1PodDisruptionBudget),
            typeof(V1NetworkPolicy), typeof(V1Job),
        }));
    }

    [TestCase("maxSurge: 1", "maximumSurge: 1")]
    [TestCase("failureThreshold: 150", "failuresThreshold: 150")]
    [TestCase("averageValue: ", "averageValues: ")]
    [TestCase("readOnlyRootFilesystem: ", "readOnlyRootFileSystem: ")]
    public void A_field_that_the_API_does_not_have_is_found(string right, string wrong)
    {
        string text = DeployFile.ReadOrSkip("kubernetes.yaml");
        Assert.That(text, Does.Contain(right));
        Assert.That(() => Manifests.Load(text.Replace(right, wrong, StringComparison.Ordinal)),
            Throws.InstanceOf<YamlException>());
    }

    [Test]
    public void The_job_in_the_README_of_the_command_is_valid()
    {
        string readme = File.ReadAllText(Path.Combine(DeployFile.RootOrSkip(), "tools", "MsResampler.Cli",
            "README.md")).ReplaceLineEndings("\n");
        int start = readme.IndexOf("```yaml\n", StringComparison.Ordinal) + "```yaml\n".Length;
        string yaml = readme[start..readme.IndexOf("\n```", start, StringComparison.Ordinal)];
        Assert.That(((V1Job)Manifests.Load(yaml).Single()).Spec.CompletionMode, Is.EqualTo("Indexed"));
    }

    [Test]
    public void Pods_are_not_root_and_write_only_to_their_volumes()
    {
        foreach ((string name, V1PodTemplateSpec template) in Manifests.Pods)
        {
            V1PodSpec pod = template.Spec;
            V1Container container = pod.Containers.Single();
            using (Assert.EnterMultipleScope())
            {
                Assert.That(pod.SecurityContext.RunAsNonRoot, Is.True, name);
                Assert.That(pod.SecurityContext.RunAsUser, Is.EqualTo(ContainerImage.User), name);
                Assert.That(pod.SecurityContext.SeccompProfile.Type, Is.EqualTo("RuntimeDefault"), name);
                Assert.That(pod.AutomountServiceAccountToken, Is.False, name);
                Assert.That(container.SecurityContext.AllowPrivilegeEscalation, Is.False, name);
                Assert.That(container.SecurityContext.ReadOnlyRootFilesystem, Is.True, name);
                Assert.That(container.SecurityContext.Capabilities.Drop, Is.EqualTo(new[] { "ALL" }), name);
                Assert.That(container.SecurityContext.Capabilities.Add, Is.Null, name);
                Assert.That(container.SecurityContext.Privileged, Is.Null, name);
                Assert.That(pod.HostNetwork, Is.Null, name);
            }
        }
    }

    [Test]
    public void A_pod_has_the_memory_that_it_asks_for()
    {
        foreach ((string name, V1PodTemplateSpec template) in Manifests.Pods)
        {
            V1ResourceRequirements resources = template.Spec.Containers.Single().Resources;
            Assert.That(resources.Limits["memory"].ToDouble(), Is.EqualTo(resources.Requests["memory"].ToDouble()),
                name);
            Assert.That(resources.Requests["cpu"].ToDouble(), Is.GreaterThan(0), name);
        }
    }

    [Test]
    public void Volumes_that_are_mounted_exist_and_models_are_only_read()
    {
        foreach ((string name, V1PodTemplateSpec template) in Manifests.Pods)
        {
            V1PodSpec pod = template.Spec;
            IList<V1VolumeMount> mounts = pod.Containers.Single().VolumeMounts;
            Assert.That(mounts.Select(mount => mount.Name), Is.EquivalentTo(pod.Volumes.Select(volume => volume.Name)),
                name);
            V1VolumeMount models = mounts.Single(mount => mount.Name == "models");
            Assert.That(models.ReadOnlyProperty, Is.True, name);
            Assert.That(pod.Volumes.Single(volume => volume.Name == "models").PersistentVolumeClaim.ReadOnlyProperty,
                Is.True, name);
        }

        Assert.That(Manifests.Single<V1PersistentVolumeClaim>().Metadata.Name, Is.EqualTo(Manifests
            .Single<V1Deployment>().Spec.Template.Spec.Volumes.Single().PersistentVolumeClaim.ClaimName));
    }

    [Test]
    public void Every_object_selects_the_pods_of_the_deployment()
    {
        V1Deployment deployment = Manifests.Single<V1Deployment>();
        IDictionary<string, string> labels = deployment.Spec.Template.Metadata.Labels;
        IDictionary<string, string>[] selectors =
        [
            deployment.Spec.Selector.MatchLabels,
            Manifests.Single<V1PodDisruptionBudget>().Spec.Selector.MatchLabels,
            Manifests.Single<V1NetworkPolicy>().Spec.PodSelector.MatchLabels,
            deployment.Spec.Template.Spec.TopologySpreadConstraints.Single().LabelSelector.MatchLabels,
            .. Manifests.All.OfType<V1Service>().Select(service => service.Spec.Selector),
        ];
        Assert.That(selectors, Has.Length.EqualTo(6).And.All.EquivalentTo(labels));
        Assert.That(Manifests.Single<V1Job>().Spec.Template.Metadata.Labels, Is.Not.EquivalentTo(labels));
        V2CrossVersionObjectReference target = Manifests.Single<V2HorizontalPodAutoscaler>().Spec.ScaleTargetRef;
        Assert.That((target.ApiVersion, target.Kind, target.Name),
            Is.EqualTo((deployment.ApiVersion, deployment.Kind, deployment.Metadata.Name)));
        Assert.That(deployment.Spec.Template.Spec.ServiceAccountName,
            Is.EqualTo(Manifests.Single<V1ServiceAccount>().Metadata.Name));
    }

    [Test]
    public void Services_and_policies_name_the_ports_of_the_server()
    {
        V1Container server = Manifests.Single<V1Deployment>().Spec.Template.Spec.Containers.Single();
        Dictionary<string, int> ports = server.Ports.ToDictionary(port => port.Name, port => port.ContainerPort);
        ServerSettings settings = ServerArguments.Parse(server.Args);
        Assert.That(ports, Is.EquivalentTo(new Dictionary<string, int>
        {
            ["http"] = settings.Http,
            ["grpc"] = settings.Grpc,
        }));
        Assert.That(Manifests.All.OfType<V1Service>().SelectMany(service => service.Spec.Ports)
            .Select(port => (port.TargetPort.Value, port.Port)),
            Is.EquivalentTo(ports.Select(port => (port.Key, port.Value))));
        Assert.That(Manifests.Single<V1NetworkPolicy>().Spec.Ingress.Single().Ports.Select(port => port.Port.Value),
            Is.EquivalentTo(ports.Values.Select(port => port.ToString(CultureInfo.InvariantCulture))));
        Assert.That(Manifests.Single<V1Deployment>().Spec.Template.Metadata.Annotations["prometheus.io/port"],
            Is.EqualTo(settings.Http.ToString(CultureInfo.InvariantCulture)));
    }

    [Test]
    public void Probes_ask_the_health_of_the_server()
    {
        V1Container server = Manifests.Single<V1Deployment>().Spec.Template.Spec.Containers.Single();
        foreach ((V1Probe probe, string path) in new[]
        {
            (server.StartupProbe, "/v2/health/ready"), (server.ReadinessProbe, "/v2/health/ready"),
            (server.LivenessProbe, "/v2/health/live"),
        })
            Assert.That((probe.HttpGet.Path, probe.HttpGet.Port.Value), Is.EqualTo((path, "http")));
    }

    /// <summary>SIGTERM comes at the same time as the pod leaves the service; until all nodes know, requests still
    /// arrive.</summary>
    [Test]
    public void A_pod_has_the_time_that_the_server_takes_to_end()
    {
        V1PodSpec pod = Manifests.Single<V1Deployment>().Spec.Template.Spec;
        V1Container server = pod.Containers.Single();
        ServerSettings settings = ServerArguments.Parse(server.Args);
        int noticed = server.ReadinessProbe.PeriodSeconds!.Value * server.ReadinessProbe.FailureThreshold!.Value;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(pod.TerminationGracePeriodSeconds, Is.GreaterThan(settings.ShutdownDelay + settings.Grace));
            Assert.That(settings.ShutdownDelay, Is.GreaterThan(noticed));
            Assert.That(settings.Grace, Is.GreaterThan(settings.RequestTimeout));
        }
    }

    [Test]
    public void The_model_is_in_the_volume()
    {
        V1Container server = Manifests.Single<V1Deployment>().Spec.Template.Spec.Containers.Single();
        Assert.That(ServerArguments.Parse(server.Args).Models.Values.Single().Path,
            Does.StartWith(server.VolumeMounts.Single().MountPath + "/"));
    }

    [Test]
    public void Replicas_scale_before_a_queue_is_full_and_one_may_be_evicted()
    {
        V2HorizontalPodAutoscalerSpec scaler = Manifests.Single<V2HorizontalPodAutoscaler>().Spec;
        V1Container server = Manifests.Single<V1Deployment>().Spec.Template.Spec.Containers.Single();
        V2PodsMetricSource metric = scaler.Metrics.Single().Pods;
        Assert.That(metric.Metric.Name, Is.EqualTo("nv_inference_pending_request_count"));
        Assert.That(metric.Target.AverageValue.ToDouble(),
            Is.LessThan(ServerArguments.Parse(server.Args).QueueSize / 4.0));
        Assert.That(Manifests.Single<V1PodDisruptionBudget>().Spec.MinAvailable.Value, Is.EqualTo("1"));
        Assert.That(scaler.MinReplicas, Is.EqualTo(2));
    }
}
