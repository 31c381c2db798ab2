using System.Globalization;
using System.Net.Http.Headers;
using System.Runtime.InteropServices;
using System.Text;
using Google.Protobuf;
using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Tests.Hosting;

namespace MsResampler.Server.Tests.ScaleOut;

/// <summary>Equal servers behind nginx, a few requests, and their right answers.</summary>
internal sealed class Site : IAsyncDisposable
{
    /// <summary>The name of the model in the protocol.</summary>
    public const string ModelName = "tokens";

    private const int RequestCount = 5;
    private static readonly PatchGrid s_grid = new(7, 5);
    private readonly TestModel _model;
    private readonly string[] _options;
    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(20) };
    private readonly float[][] _features;
    private readonly byte[][] _tokens;

    private Site(TestModel model, string[] options)
    {
        (_model, _options) = (model, options);
        _features = [.. Enumerable.Range(0, RequestCount).Select(seed => model.RandomFeatures(s_grid, seed))];
        _tokens = [.. _features.Select(features
            => MemoryMarshal.AsBytes(model.Engine.Resample(features, [s_grid]).AsSpan()).ToArray())];
    }

    /// <summary>The servers.</summary>
    public List<ServerRun> Replicas { get; } = [];

    /// <summary>nginx.</summary>
    public LoadBalancer Balancer { get; private set; } = null!;

    /// <summary>Starts servers and nginx. Skips the running test if that is not installed.</summary>
    public static async Task<Site> StartAsync(int count, params string[] options)
    {
        string program = LoadBalancer.ProgramOrSkip();
        Site site = new(new TestModel(Configs.Mixed), options);
        try
        {
            site.Replicas.AddRange(await Task.WhenAll(
                Enumerable.Range(0, count).Select(_ => site.StartReplicaAsync())));
            site.Balancer = await LoadBalancer.StartAsync(program, site.Replicas);
        }
        catch
        {
            await site.DisposeAsync();
            throw;
        }

        return site;
    }

    /// <summary>Starts a server; on the ports of another one that has ended, if there is one.</summary>
    public Task<ServerRun> StartReplicaAsync(ServerRun? ended = null) => Task.Run(() => ServerRun.StartRaw(
    [
        "--model", $"{ModelName}={_model.Model.SourcePath}", "--backend", "cpu", "--threads", "1",
        "--address", "127.0.0.1", "--http", $"{ended?.Http.Port ?? 0}", "--grpc", $"{ended?.Grpc.Port ?? 0}",
        .. _options,
    ]).WaitUntilReady());

    /// <summary>The number of requests that each server has answered.</summary>
    public Task<int[]> SuccessCountsAsync() => Task.WhenAll(Replicas.Select(async replica => (int)new MetricsText(
        await _client.GetStringAsync(new Uri(replica.Http, "/metrics"))).Of("nv_inference_request_success",
            ModelName)));

    /// <summary>Sends a request over REST, with binary data.</summary>
    /// <returns>What is wrong with the answer; null if its bits are right.</returns>
    public async Task<string?> CallRestAsync(int number, CancellationToken cancellationToken)
    {
        byte[] features = MemoryMarshal.AsBytes(_features[number % RequestCount].AsSpan()).ToArray();
        string json = string.Create(CultureInfo.InvariantCulture, $$$"""
            {"inputs":[{"name":"features","datatype":"FP32","shape":[{{{s_grid.PatchCount}}},{{{Width}}}],
            "parameters":{"binary_data_size":{{{features.Length}}}}},
            {"name":"grids","datatype":"INT32","shape":[1,2],"data":[{{{s_grid.Rows}}},{{{s_grid.Columns}}}]}],
            "parameters":{"binary_data_output":true}}
            """);
        using ByteArrayContent content = new([.. Encoding.UTF8.GetBytes(json), .. features]);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        content.Headers.Add("Inference-Header-Content-Length", json.Length.ToString(CultureInfo.InvariantCulture));
        try
        {
            using HttpResponseMessage answer = await _client.PostAsync(
                new Uri(Balancer.Http, $"/v2/models/{ModelName}/infer"), content, cancellationToken);
            byte[] body = await answer.Content.ReadAsByteArrayAsync(cancellationToken);
            if (!answer.IsSuccessStatusCode)
                return $"{(int)answer.StatusCode}: {Encoding.UTF8.GetString(body)}";
            return body.AsSpan().EndsWith(_tokens[number % RequestCount]) ? null : "other bits";
        }
        catch (HttpRequestException exception)
        {
            return exception.Message;
        }
    }

    /// <summary>A request of gRPC.</summary>
    public ModelInferRequest GrpcRequest(int number)
    {
        ModelInferRequest request = new() { ModelName = ModelName };
        request.Inputs.Add(new ModelInferRequest.Types.InferInputTensor
        {
            Name = "features",
            Datatype = "FP32",
            Shape = { s_grid.PatchCount, Width },
        });
        request.Inputs.Add(new ModelInferRequest.Types.InferInputTensor
        {
            Name = "grids",
            Datatype = "INT32",
            Shape = { 1, 2 },
        });
        request.RawInputContents.Add(ByteString.CopyFrom(
            MemoryMarshal.AsBytes(_features[number % RequestCount].AsSpan())));
        request.RawInputContents.Add(ByteString.CopyFrom(MemoryMarshal.AsBytes(
            (ReadOnlySpan<int>)[s_grid.Rows, s_grid.Columns])));
        return request;
    }

    /// <summary>Whether an answer of gRPC has the right bits.</summary>
    public bool IsRight(int number, ModelInferResponse answer)
        => answer.RawOutputContents.Single().Span.SequenceEqual(_tokens[number % RequestCount]);

    private int Width => _model.Model.Config.VisionHiddenSize;

    public async ValueTask DisposeAsync()
    {
        if (Balancer is not null)
            await Balancer.DisposeAsync();
        foreach (ServerRun replica in Replicas)
            replica.Dispose();
        _client.Dispose();
        _model.Dispose();
    }
}
