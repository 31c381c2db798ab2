using Google.Protobuf;
using Grpc.Core;
using MsResampler.Server.Grpc.Protocol;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>Requests over gRPC that are wrong. Each test changes a valid request.</summary>
internal sealed class InferErrorTests : GrpcFixture
{
    [Test]
    public async Task A_model_that_does_not_exist_is_not_found()
    {
        ModelInferRequest request = Small();
        request.ModelName = "absent";
        await FailsAsync(async () => await Client.ModelInferAsync(request), StatusCode.NotFound, "absent");
    }

    [Test]
    public async Task A_version_that_does_not_exist_is_not_found()
    {
        ModelInferRequest request = Small();
        request.ModelVersion = "2";
        await FailsAsync(async () => await Client.ModelInferAsync(request), StatusCode.NotFound, "2");
    }

    [Test]
    public async Task Raw_values_for_some_inputs_only_are_an_error()
    {
        ModelInferRequest request = Small();
        request.RawInputContents.RemoveAt(1);
        await IsInvalidAsync(request, "raw_input_contents", "2 inputs", "found 1");
    }

    [Test]
    public async Task More_raw_values_than_inputs_are_an_error()
    {
        ModelInferRequest request = Small();
        request.RawInputContents.Add(ByteString.Empty);
        await IsInvalidAsync(request, "raw_input_contents", "2 inputs", "found 3");
    }

    [Test]
    public async Task Raw_and_typed_values_exclude_each_other()
    {
        ModelInferRequest request = Small();
        request.Inputs[1].Contents = new InferTensorContents { IntContents = { 2, 3 } };
        await IsInvalidAsync(request, "'grids'", "contents", "raw_input_contents");
    }

    [Test]
    public async Task Values_in_the_field_of_another_type_are_an_error()
    {
        ModelInferRequest request = SmallTyped();
        request.Inputs[1].Contents = new InferTensorContents { Int64Contents = { 2, 3 } };
        await IsInvalidAsync(request, "'grids'", "INT32", "int_contents", "found 2 in int64_contents");
    }

    [Test]
    public async Task Values_in_two_fields_are_an_error()
    {
        ModelInferRequest request = SmallTyped();
        request.Inputs[0].Contents.Fp64Contents.Add(1);
        await IsInvalidAsync(request, "'features'", "fp32_contents", "found 1 in fp64_contents");
    }

    [TestCase("FP16")]
    [TestCase("BF16")]
    public async Task Typed_values_of_16_bits_are_an_error(string datatype)
    {
        ModelInferRequest request = SmallTyped();
        request.Inputs[0].Datatype = datatype;
        await IsInvalidAsync(request, "'features'", datatype, "raw_input_contents");
    }

    [Test]
    public async Task A_datatype_that_the_input_does_not_have_is_an_error(
        [Values("FP64", "INT32", "INT64", "UINT8", "BOOL", "BYTES", "fp32", "")] string datatype)
    {
        ModelInferRequest request = Small();
        request.Inputs[0].Datatype = datatype;
        await IsInvalidAsync(request, "'features'", "FP32", "FP16", "BF16");
    }

    [Test]
    public async Task Missing_typed_values_are_an_error()
    {
        ModelInferRequest request = SmallTyped();
        request.Inputs[0].Contents.Fp32Contents.RemoveAt(71);
        await IsInvalidAsync(request, "'features'", "72", "71");
    }

    [Test]
    public async Task Additional_typed_values_are_an_error()
    {
        ModelInferRequest request = SmallTyped();
        request.Inputs[1].Contents.IntContents.Add(1);
        await IsInvalidAsync(request, "'grids'", "2 values");
    }

    [Test]
    public async Task Inputs_without_any_values_are_an_error()
    {
        ModelInferRequest request = SmallTyped();
        request.Inputs[0].Contents = null;
        await IsInvalidAsync(request, "'features'", "72", "found 0");
    }

    [Test]
    public async Task Raw_values_of_another_length_are_an_error()
    {
        ModelInferRequest request = Small();
        request.RawInputContents[0] = ByteString.CopyFrom(request.RawInputContents[0].Span[1..]);
        await IsInvalidAsync(request, "'features'", "288 bytes", "found 287");
    }

    [Test]
    public async Task An_unknown_input_is_an_error()
    {
        ModelInferRequest request = Small();
        request.Inputs[0].Name = "Features";
        await IsInvalidAsync(request, "Features", "features");
    }

    [Test]
    public async Task An_unknown_output_is_an_error()
    {
        ModelInferRequest request = Small();
        request.Outputs.Add(new ModelInferRequest.Types.InferRequestedOutputTensor { Name = "embedding" });
        await IsInvalidAsync(request, "embedding", "tokens");
    }

    [Test]
    public async Task A_feature_that_is_not_finite_is_an_error()
    {
        PatchGrid grid = new(2, 3);
        float[] features = RandomFeatures(1, grid);
        features[17] = float.NaN;
        await IsInvalidAsync(Raw(features, grid), "NaN");
    }

    [Test]
    public async Task A_parameter_of_another_type_is_an_error()
    {
        ModelInferRequest request = Small();
        request.Parameters["timeout"] = new InferParameter { StringParam = "soon" };
        await IsInvalidAsync(request, "timeout", "integer", "soon");
    }

    [Test]
    public async Task A_parameter_without_a_value_is_an_error_if_it_is_read()
    {
        ModelInferRequest request = Small();
        request.Parameters["precision"] = new InferParameter();
        await IsInvalidAsync(request, "precision", "string");
    }

    /// <summary>The answer of 2 GiB or more would not fit into a message; a request of 256 small images does not come
    /// near.</summary>
    [Test]
    public void Too_many_images_are_an_error()
    {
        PatchGrid[] grids = [.. Enumerable.Repeat(new PatchGrid(1, 1), 257)];
        Assert.That(async () => await Client.ModelInferAsync(Raw(RandomFeatures(1, grids), grids)),
            Throws.TypeOf<RpcException>().With.Message.Contains("256"));
    }

    private static ModelInferRequest SmallTyped()
        => Typed(RandomFeatures(1, new PatchGrid(2, 3)), new PatchGrid(2, 3));

    private Task<RpcException> IsInvalidAsync(ModelInferRequest request, params string[] words)
        => FailsAsync(async () => await Client.ModelInferAsync(request), StatusCode.InvalidArgument, words);
}
