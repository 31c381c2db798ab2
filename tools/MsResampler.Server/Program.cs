using MsResampler.Server.Hosting;

namespace MsResampler.Server;

/// <summary>The process.</summary>
internal static class Program
{
    private static void Main() => ServerApplication.Build(new ServerSettings()).Run();
}
