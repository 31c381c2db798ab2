using System.Runtime.InteropServices;
using MsResampler.Server.Hosting;
using MsResampler.Server.Inputs;
using MsResampler.Server.Limits;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Inputs;

/// <summary>Reads requests for a model of 3 channels that has an encoder. After each test every reserved byte must be
/// free again.</summary>
internal abstract class InputsFixture
{
    protected static ModelShape Shape { get; } = new(FeatureWidth: 3, TokenCount: 4, TokenWidth: 5, ScopeCount: 2,
        GateGroupCount: 6, HasEncoder: true);

    protected ServerSettings Settings { get; private set; } = null!;

    protected MemoryBudget Budget { get; set; } = null!;

    protected RequestInputs Inputs { get; private set; } = null!;

    private MemoryLease _memory = null!;

    [SetUp]
    public void Start()
    {
        Settings = new ServerSettings { MaxRequestBytes = 1 << 20, MaxRequestImages = 10 };
        Restart(1 << 24);
    }

    [TearDown]
    public void FreeMemory()
    {
        Inputs.Dispose();
        _memory.Dispose();
        Assert.That(Budget.Used, Is.Zero, "bytes that are still reserved");
    }

    /// <summary>Starts anew with a budget.</summary>
    protected void Restart(long capacity)
    {
        Inputs?.Dispose();
        _memory?.Dispose();
        Budget = new MemoryBudget(capacity);
        _memory = Budget.Open();
        Inputs = new RequestInputs(Shape, Settings, _memory);
    }

    /// <summary>Adds a tensor of floats.</summary>
    protected void AddFeatures(params float[] values)
        => Inputs.Declare("features", "FP32", [values.Length / 3, 3]).Append(values);

    /// <summary>Adds a tensor of integers.</summary>
    protected void AddIntegers(string name, params int[] values)
        => Inputs.Declare(name, "INT32", name == "grids" ? [values.Length / 2, 2] : [values.Length]).Append(values);

    /// <summary>Builds the request with the tokens as its output.</summary>
    protected InferenceRequest Build(Parameters? parameters = null, params OutputRequest[] outputs)
        => Inputs.Build("client", null, parameters ?? Parameters.None, outputs);

    /// <summary>Parameters with one value.</summary>
    protected static Parameters With(string name, object value)
    {
        Parameters parameters = new();
        parameters.Add(name, value);
        return parameters;
    }

    /// <summary>Asserts that a call fails, with an error of a kind that has the words.</summary>
    protected static void Fails(ErrorKind kind, Action call, params string[] words)
    {
        ServerException exception = Assert.Throws<ServerException>(call.Invoke);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exception.Kind, Is.EqualTo(kind));
            foreach (string word in words)
                Assert.That(exception.Message, Does.Contain(word));
        }
    }

    /// <summary>Asserts that a call fails because the request is wrong.</summary>
    protected static void IsWrong(Action call, params string[] words) => Fails(ErrorKind.InvalidRequest, call, words);

    /// <summary>Values as raw bytes.</summary>
    protected static byte[] Raw<T>(params T[] values)
        where T : unmanaged
        => MemoryMarshal.AsBytes<T>(values).ToArray();
}
