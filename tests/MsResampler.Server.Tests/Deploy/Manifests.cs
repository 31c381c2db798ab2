using k8s;
using k8s.Models;

namespace MsResampler.Server.Tests.Deploy;

/// <summary>The objects of <c>kubernetes.yaml</c> and <c>job.yaml</c>. Reading is strict: a field that the API does not
/// have is an error.</summary>
internal static class Manifests
{
    /// <summary>Reads all objects of a text.</summary>
    public static List<object> Load(string yaml) => KubernetesYaml.LoadAllFromString(yaml, null, strict: true);

    /// <summary>All objects of both files.</summary>
    public static List<object> All
        => [.. Load(DeployFile.ReadOrSkip("kubernetes.yaml")), .. Load(DeployFile.ReadOrSkip("job.yaml"))];

    /// <summary>The only object of a type.</summary>
    public static T Single<T>() => All.OfType<T>().Single();

    /// <summary>The pods of the deployment and of the job.</summary>
    public static (string Name, V1PodTemplateSpec Template)[] Pods =>
    [
        ("Deployment", Single<V1Deployment>().Spec.Template), ("Job", Single<V1Job>().Spec.Template),
    ];
}
