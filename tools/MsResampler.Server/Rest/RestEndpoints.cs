using MsResampler.Server.Models;

namespace MsResampler.Server.Rest;

/// <summary>The paths of REST.</summary>
internal static class RestEndpoints
{
    private const string Model = "/v2/models/{model}";
    private const string Versioned = Model + "/versions/{version}";

    /// <summary>Adds the paths. Every other path that nobody else has added is answered 404.</summary>
    public static void Map(IEndpointRouteBuilder routes)
    {
        MetadataEndpoints metadata = ActivatorUtilities.CreateInstance<MetadataEndpoints>(routes.ServiceProvider);
        InferEndpoint infer = ActivatorUtilities.CreateInstance<InferEndpoint>(routes.ServiceProvider);
        RestErrors errors = ActivatorUtilities.CreateInstance<RestErrors>(routes.ServiceProvider);
        Add("/v2", HttpMethods.Get, MetadataEndpoints.WriteServerAsync);
        Add("/v2/health/live", HttpMethods.Get, metadata.WriteLiveAsync);
        Add("/v2/health/ready", HttpMethods.Get, metadata.WriteReadyAsync);
        foreach (string model in new[] { Model, Versioned })
        {
            Add(model, HttpMethods.Get, metadata.WriteModelAsync);
            Add($"{model}/ready", HttpMethods.Get, metadata.WriteModelReadyAsync);
            Add($"{model}/infer", HttpMethods.Post, infer.InferAsync);
        }

        routes.MapFallback("{*path}", new RestRoute(null, HttpMethods.Get, null, errors).InvokeAsync);

        void Add(string pattern, string method, RequestDelegate handler)
            => routes.Map(pattern, new RestRoute(pattern, method, handler, errors).InvokeAsync);
    }

    /// <summary>The model that the path names.</summary>
    public static ServedModel FindModel(ModelCatalog models, HttpContext context)
        => models.Find((string)context.Request.RouteValues["model"]!,
            (string?)context.Request.RouteValues["version"]);
}
