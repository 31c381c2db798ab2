namespace MsResampler.Server.Rest;

/// <summary>The paths of REST.</summary>
internal static class RestEndpoints
{
    /// <summary>Adds the paths.</summary>
    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/v2", () => "");
}
