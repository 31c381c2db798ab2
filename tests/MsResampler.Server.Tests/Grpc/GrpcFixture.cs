using System.Runtime.InteropServices;
using System.Text;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Hosting;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>Tests that call a server over gRPC. All tests of the class share the server, which has one small
/// model.</summary>
internal abstract class GrpcFixture
{
    /// <summary>The name of the model.</summary>
    protected const string ModelName = "small";

    /// <summary>The configuration of the model: C is 12, M 6, L 10, S 2, R 3.</summary>
    protected static ResamplerConfig Config { get; } = Configs.Of(Configs.Window(2, 2), Configs.None);

    /// <summary>The folder of the model.</summary>
    protected TemporaryFolder Folder { get; private set; } = null!;

    /// <summary>The model, loaded by the library.</summary>
    protected Resampler Library { get; private set; } = null!;

    /// <summary>The server.</summary>
    protected RunningServer Server { get; private set; } = null!;

    /// <summary>The connection to the server.</summary>
    protected GrpcChannel Channel { get; private set; } = null!;

    /// <summary>The generated client.</summary>
    protected GRPCInferenceService.GRPCInferenceServiceClient Client { get; private set; } = null!;

    [OneTimeSetUp]
    public async Task StartServer()
    {
        Folder = new TemporaryFolder();
        RandomModel.Write(Folder.Path, Config, Encoding.UTF8.GetBytes(ConfigJson.Of(Config)), 1);
        Library = Resampler.Load(Folder.Path, new ResamplerOptions { Backend = Backend.Cpu, ThreadCount = 1 });
        ServerSettings settings = new()
        {
            Models = { [ModelName] = new ModelSettings { Path = Folder.Path, Backend = "cpu", Threads = 1 } },
        };
        Configure(settings);
        Server = await RunningServer.StartAsync(settings);
        Channel = GrpcChannel.ForAddress(Server.Grpc, new GrpcChannelOptions { MaxReceiveMessageSize = null });
        Client = new GRPCInferenceService.GRPCInferenceServiceClient(Channel);
    }

    [OneTimeTearDown]
    public async Task StopServer()
    {
        Channel?.Dispose();
        if (Server is not null)
            await Server.DisposeAsync();
        Library?.Dispose();
        Folder.Dispose();
    }

    /// <summary>Changes the settings of the server.</summary>
    protected virtual void Configure(ServerSettings settings)
    {
    }

    /// <summary>Random features, [N, C].</summary>
    protected static float[] RandomFeatures(int seed, params PatchGrid[] grids)
    {
        Random random = new(seed);
        float[] features = new float[grids.Sum(grid => grid.PatchCount) * Config.VisionHiddenSize];
        for (int index = 0; index < features.Length; index++)
            features[index] = (float)((2 * random.NextDouble()) - 1);
        return features;
    }

    /// <summary>A request with raw values.</summary>
    protected static ModelInferRequest Raw(float[] features, params PatchGrid[] grids)
    {
        ModelInferRequest request = Declare(features, grids);
        request.RawInputContents.Add(Bytes<float>(features));
        request.RawInputContents.Add(Bytes<int>([.. grids.SelectMany(grid => new[] { grid.Rows, grid.Columns })]));
        return request;
    }

    /// <summary>A request with typed values.</summary>
    protected static ModelInferRequest Typed(float[] features, params PatchGrid[] grids)
    {
        ModelInferRequest request = Declare(features, grids);
        request.Inputs[0].Contents = new InferTensorContents { Fp32Contents = { features } };
        request.Inputs[1].Contents = new InferTensorContents
        {
            IntContents = { grids.SelectMany(grid => new[] { grid.Rows, grid.Columns }) },
        };
        return request;
    }

    /// <summary>A valid request for one small image.</summary>
    protected static ModelInferRequest Small() => Raw(RandomFeatures(1, new PatchGrid(2, 3)), new PatchGrid(2, 3));

    /// <summary>Numbers as raw contents.</summary>
    protected static ByteString Bytes<T>(ReadOnlySpan<T> values)
        where T : unmanaged => ByteString.CopyFrom(MemoryMarshal.AsBytes(values));

    /// <summary>Raw contents as numbers.</summary>
    protected static T[] Numbers<T>(ByteString bytes)
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(bytes.Span).ToArray();

    /// <summary>Asserts that a call fails with a status and with words in its message.</summary>
    /// <returns>The failure.</returns>
    protected static async Task<RpcException> FailsAsync(Func<Task> call, StatusCode status, params string[] words)
    {
        RpcException failure = (await Assert.ThrowsAsync<RpcException>(() => call()))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(failure.StatusCode, Is.EqualTo(status), failure.Status.Detail);
            foreach (string word in words)
                Assert.That(failure.Status.Detail, Does.Contain(word));
        }

        return failure;
    }

    private static ModelInferRequest Declare(float[] features, PatchGrid[] grids)
    {
        int width = Config.VisionHiddenSize;
        return new ModelInferRequest
        {
            ModelName = ModelName,
            Inputs =
            {
                new ModelInferRequest.Types.InferInputTensor
                {
                    Name = "features", Datatype = "FP32", Shape = { features.Length / width, width },
                },
                new ModelInferRequest.Types.InferInputTensor
                {
                    Name = "grids", Datatype = "INT32", Shape = { grids.Length, 2 },
                },
            },
        };
    }
}
