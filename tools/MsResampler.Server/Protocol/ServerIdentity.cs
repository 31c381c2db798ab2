using System.Reflection;

namespace MsResampler.Server.Protocol;

/// <summary>What the server says about itself in both protocols.</summary>
internal static class ServerIdentity
{
    /// <summary>The name of the server.</summary>
    public const string Name = "msresampler-server";

    /// <summary>The version of the server, without the commit.</summary>
    public static string Version { get; } = typeof(ServerIdentity).Assembly
        .GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    /// <summary>The extensions of the protocol: binary tensors over REST.</summary>
    public static IReadOnlyList<string> Extensions { get; } = ["binary_tensor_data"];
}
