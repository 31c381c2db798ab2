using System.Globalization;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;
using MsResampler.Server.Hosting;
using MsResampler.Server.Inputs;
using MsResampler.Server.Limits;
using MsResampler.Server.Metrics;
using MsResampler.Server.Models;
using MsResampler.Server.Outputs;
using MsResampler.Server.Protocol;
using MsResampler.Server.Rest.Json;

namespace MsResampler.Server.Rest;

/// <summary>Computes the outputs of a model.</summary>
/// <param name="models">The models.</param>
/// <param name="settings">The limits.</param>
/// <param name="metrics">Counts failures.</param>
/// <param name="budget">The memory of all requests.</param>
internal sealed class InferEndpoint(ModelCatalog models, ServerSettings settings, ServerMetrics metrics,
    MemoryBudget budget)
{
    /// <summary>The largest JSON before binary data in bytes.</summary>
    public const int LargestJsonLength = 1 << 20;

    /// <summary>Answers a request.</summary>
    public async Task InferAsync(HttpContext context)
    {
        ServedModel model = RestEndpoints.FindModel(models, context);
        bool isComputed = false;
        try
        {
            if (HasEncoding(context.Request))
            {
                metrics.Failed(model.Name, ErrorKind.InvalidRequest);
                await RestErrors.WriteAsync(context, StatusCodes.Status415UnsupportedMediaType,
                    $"expected a body without Content-Encoding, found "
                    + Quoted.Of(context.Request.Headers.ContentEncoding.ToString())).ConfigureAwait(false);
                return;
            }

            await InferAsync(context, model, () => isComputed = true).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            // The model has counted a request that it has computed, whatever became of the answer.
            if (!isComputed)
                metrics.Failed(model.Name, RestErrors.KindOf(context, exception));
            throw;
        }
    }

    private static bool HasEncoding(HttpRequest request)
        => request.Headers.TryGetValue(HeaderNames.ContentEncoding, out StringValues encoding)
            && !string.Equals(encoding, "identity", StringComparison.OrdinalIgnoreCase);

    private async Task InferAsync(HttpContext context, ServedModel model, Action computed)
    {
        ModelShape shape = model.Shape;
        CancellationToken cancellationToken = context.RequestAborted;
        using MemoryLease memory = budget.Open();
        using InferenceRequest request = await ReadAsync(context, shape, memory, cancellationToken)
            .ConfigureAwait(false);
        using InferenceResult result = await model.InferAsync(request, cancellationToken).ConfigureAwait(false);
        computed();
        OutputTensor[] outputs = OutputTensor.Of(request, result, shape);
        await new InferResponse(context.Response, model.Name, request.Id, outputs, memory)
            .WriteAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task<InferenceRequest> ReadAsync(HttpContext context, ModelShape shape, MemoryLease memory,
        CancellationToken cancellationToken)
    {
        CheckLength(context);
        long? jsonLength = JsonLengthOf(context.Request);
        using RequestInputs inputs = new(shape, settings, memory);
        using JsonRequest json = new(inputs, memory, allowsBinary: jsonLength is not null);
        await new RequestBody(context.Request.BodyReader, memory)
            .ReadAsync(json, jsonLength, context.Request.ContentLength, cancellationToken).ConfigureAwait(false);
        InferenceRequest request = inputs.Build(ClientName.Of(context, settings), json.Id, json.Parameters,
            json.Outputs);
        if (request.Outputs.FirstOrDefault(output => output is { IsBinary: false, Datatype: not Datatype.Fp32 })
            is { } output)
        {
            request.Dispose();
            throw new ServerException(ErrorKind.InvalidRequest, $"output '{output.Name}': "
                + $"{Datatypes.NameOf(output.Datatype)} is available only as binary data; set its parameter "
                + "'binary_data' to true, or ask for FP32");
        }

        return request;
    }

    private void CheckLength(HttpContext context)
    {
        if (context.Request.ContentLength > settings.MaxRequestBytes)
        {
            throw new ServerException(ErrorKind.TooLarge, $"expected a body of at most {settings.MaxRequestBytes} "
                + $"bytes, found {context.Request.ContentLength}");
        }

        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = settings.MaxRequestBytes;
    }

    private static long? JsonLengthOf(HttpRequest request)
    {
        if (!request.Headers.TryGetValue(RestHeaders.JsonLength, out StringValues header))
            return null;
        if (!long.TryParse(header.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out long length))
        {
            throw new ServerException(ErrorKind.InvalidRequest, $"header {RestHeaders.JsonLength}: expected a number "
                + $"of bytes, found {Quoted.Of(header.ToString())}");
        }

        if (length > request.ContentLength)
        {
            throw new ServerException(ErrorKind.InvalidRequest, $"header {RestHeaders.JsonLength}: expected at most "
                + $"{request.ContentLength}, the length of the body, found {length}");
        }

        if (length > LargestJsonLength)
        {
            throw new ServerException(ErrorKind.TooLarge, $"header {RestHeaders.JsonLength}: expected at most "
                + $"{LargestJsonLength} bytes of JSON before binary data, found {length}");
        }

        return length;
    }
}
